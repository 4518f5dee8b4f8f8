#include "server/amqp/methods.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "server/amqp/reply_code.h"

namespace pontoon::amqp {
namespace {

template <typename T>
void Fill(T* field, int n) {
  if constexpr (std::is_same_v<T, bool>) {
    *field = n % 2 == 0;
  } else if constexpr (std::is_integral_v<T>) {
    *field = static_cast<T>(0x1122334455667788u + static_cast<unsigned>(n));
  } else if constexpr (std::is_same_v<T, Table>) {
    *field = Table{{"k", Value::String("v")}, {"n", Value::Int(n)}};
  } else if constexpr (std::is_same_v<T, absl::string_view>) {
    *field = "some text";
  } else {
    *field = T(absl::StrCat("text ", n));
  }
}

template <typename M>
M Sample() {
  M method;
  int n = 0;
  std::apply([&](auto... field) { (Fill(&(method.*field), n++), ...); }, M::Fields());
  return method;
}

template <typename M>
bool SameFields(const M& a, const M& b) {
  return std::apply([&](auto... field) { return ((a.*field == b.*field) && ...); }, M::Fields());
}

template <typename F, typename... M>
void ForEachMethod(F&& f, std::variant<M...>*) {
  (f(M{}), ...);
}
template <typename F>
void ForEachMethod(F&& f) {
  ForEachMethod(std::forward<F>(f), static_cast<Method*>(nullptr));
}

TEST(MethodsTest, EachMethodComesBackAsItWasSent) {
  ForEachMethod([](auto empty) {
    using M = decltype(empty);
    SCOPED_TRACE(M::kName);
    const M sent = Sample<M>();
    const std::string payload = EncodeMethod(sent);
    EXPECT_EQ(payload.size(), EncodedMethodSize(sent));
    const absl::StatusOr<Method> decoded = DecodeMethod(payload);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ASSERT_TRUE(std::holds_alternative<M>(*decoded));
    EXPECT_TRUE(SameFields(std::get<M>(*decoded), sent));
    EXPECT_EQ(EncodeMethod(*decoded), payload);
    EXPECT_EQ(IdOf(*decoded), M::kId);
    EXPECT_EQ(NameOf(*decoded), M::kName);
    EXPECT_EQ(MethodName(M::kId), M::kName);
  });
}

TEST(MethodsTest, CutAnywhereItIsAFrameErrorAndNothingWorse) {
  ForEachMethod([](auto empty) {
    using M = decltype(empty);
    SCOPED_TRACE(M::kName);
    const std::string payload = EncodeMethod(Sample<M>());
    for (size_t size = 0; size < payload.size(); ++size) {
      // A copy of the exact size, so that a sanitizer sees a read past the end.
      const std::vector<char> cut(payload.begin(), payload.begin() + static_cast<long>(size));
      const absl::StatusOr<Method> decoded =
          DecodeMethod(absl::string_view(cut.data(), cut.size()));
      ASSERT_FALSE(decoded.ok()) << size;
      EXPECT_EQ(ReplyCodeOf(decoded.status()), ReplyCode::kFrameError);
    }
    EXPECT_EQ(ReplyCodeOf(DecodeMethod(payload + "x").status()), ReplyCode::kFrameError);
  });
}

TEST(MethodsTest, NumbersAreUnique) {
  std::set<MethodId> ids;
  ForEachMethod([&](auto empty) { EXPECT_TRUE(ids.insert(decltype(empty)::kId).second); });
  EXPECT_EQ(ids.size(), 66u);
}

TEST(MethodsTest, PublishIsLaidOutAsTheSpecificationSays) {
  BasicPublish publish;
  publish.exchange = "e";
  publish.routing_key = "rk";
  publish.immediate = true;
  EXPECT_EQ(EncodeMethod(publish), std::string("\x00\x3c\x00\x28\x00\x00\x01"
                                               "e\x02rk\x02",
                                               12));
}

TEST(MethodsTest, ExchangeUnbindOkHasTheNumberThatClientsExpect) {
  EXPECT_EQ(ExchangeUnbindOk::kId, (MethodId{40, 51}));
}

TEST(MethodsTest, UnknownMethodIsCommandInvalid) {
  const auto decoded = DecodeMethod(absl::string_view("\x00\x3c\x03\xe7", 4));
  EXPECT_EQ(ReplyCodeOf(decoded.status()), ReplyCode::kCommandInvalid);
  EXPECT_EQ(decoded.status().message(), "unknown method 999 of class 60");
  EXPECT_EQ(MethodName({60, 999}), "");
}

TEST(MethodsTest, WhatCannotBeDecodedIsShownAsRabbitMqShowsIt) {
  const auto decoded = DecodeMethod(absl::string_view("\x00\x3c\x00\x50\x00\x00\x01", 7));
  EXPECT_EQ(decoded.status().message(), "cannot decode <<0,0,1>>");
}

TEST(MethodsTest, NamesMustBeUtf8ButRoutingKeysOfContentNeedNot) {
  QueueDeclare declare;
  declare.queue = "\xff";
  const std::string payload = EncodeMethod(declare);
  const auto refused = DecodeMethod(payload);
  EXPECT_EQ(ReplyCodeOf(refused.status()), ReplyCode::kFrameError);
  EXPECT_EQ(refused.status().message(), "Malformed UTF-8 in shortstr");
  EXPECT_TRUE(DecodeMethod(payload, Utf8::kIgnored).ok());
  BasicPublish publish;
  publish.routing_key = "\xff";
  EXPECT_TRUE(DecodeMethod(EncodeMethod(publish)).ok());
}

TEST(MethodsTest, BadTableArgumentIsASyntaxError) {
  std::string payload =
      EncodeMethod(QueueDeclare{.queue = "q", .arguments = {{"k", Value::Int(1)}}});
  payload[payload.size() - 5] = '?';  // The type of the value.
  EXPECT_EQ(ReplyCodeOf(DecodeMethod(payload).status()), ReplyCode::kSyntaxError);
}

}  // namespace
}  // namespace pontoon::amqp
