#ifndef PONTOON_SERVER_CATALOG_REF_H_
#define PONTOON_SERVER_CATALOG_REF_H_

#include <atomic>
#include <cstdint>
#include <utility>

// Counted references inside the versions of the catalog. std::shared_ptr is twice as large and
// cannot tell safely that it is the only one, which is what lets a batch edit its own nodes in
// place.

namespace pontoon::catalog {

// Base of what a Ref points to. The count is shared between threads; the rest is immutable while
// anybody else can see it.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) : refs_(0) {}  // A copy is a new thing.
  RefCounted& operator=(const RefCounted&) = delete;

 private:
  template <typename T>
  friend class Ref;
  mutable std::atomic<uint32_t> refs_{0};
};

template <typename T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) { Acquire(); }
  Ref(const Ref& other) : object_(other.object_) { Acquire(); }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    // Release, so that what this thread did with the object is over for whoever then finds itself
    // alone with it.
    if (object_ != nullptr && object_->refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete object_;
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) { return a.object_ == b.object_; }

  // The object, which nobody else can see: made if there is none, copied if it is shared.
  T& Mutable() {
    if (object_ == nullptr) {
      *this = Ref(new T());
    } else if (object_->refs_.load(std::memory_order_acquire) != 1) {
      *this = Ref(new T(*object_));
    }
    return *object_;
  }

 private:
  void Acquire() {
    if (object_ != nullptr) object_->refs_.fetch_add(1, std::memory_order_relaxed);
  }
  T* object_ = nullptr;
};

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_REF_H_
