#ifndef PONTOON_SERVER_SESSION_CHANNEL_H_
#define PONTOON_SERVER_SESSION_CHANNEL_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/amqp/frame.h"
#include "server/amqp/methods.h"
#include "server/amqp/properties.h"
#include "server/catalog/catalog.h"
#include "server/cluster/front_end.h"
#include "server/session/confirms.h"
#include "server/session/connection.h"
#include "server/session/consumer.h"
#include "server/session/content_assembly.h"
#include "server/session/direct_reply.h"
#include "server/session/listing.h"
#include "server/session/reply_edge.h"
#include "server/session/unacked.h"

namespace pontoon::session {

// One open channel (AMQP 0-9-1 section 2.2.5). Handles one method after the other: while one waits
// for the cluster's answer, the frames behind it are kept and other channels go on. Publishes never
// wait, and declares of new queues do not wait for each other: a client that sends many gets many
// into one write of the catalog's log.
//
// A handler returns OK when it has answered or has called AwaitAnswer; any other status closes the
// channel or, where the reply code says so, the connection (reply_edge.h). One file per class of
// methods.
class Channel final : public cluster::ChannelSink {
 public:
  Channel(Connection* connection, uint16_t number, uint64_t serial);
  ~Channel() override;

  // A frame of this channel, in order.
  void OnFrame(amqp::Frame&& frame);
  // Writes what gathered in this turn: confirms, settles, credit.
  void Flush();
  // The connection ends: everything goes back. No frame is written any more.
  void Abandon();
  // No frame waits any more and no answer is awaited.
  bool idle() const { return !waiting_ && pending_.empty() && declaring_.empty(); }
  // Not closed and not being closed.
  bool open() const { return state_ == State::kOpen; }

  uint16_t number() const { return number_; }
  uint64_t serial() const { return serial_; }
  bool dirty = false;  // The connection's.

  // The socket took `bytes` of this consumer's deliveries.
  void OnWritten(broker::ConsumerKey consumer, uint64_t bytes);
  ChannelInfo Describe() const;

  // ---- cluster::ChannelSink
  void OnPublishDone(uint64_t tag, uint64_t bytes, bool refused) override;
  void OnDelivery(const cluster::ShardRef& shard, broker::Delivery delivery) override;
  void OnCreditNote(const broker::CreditNote& note) override;
  void OnConsumerCancelled(broker::ConsumerKey consumer) override;
  void OnDirectReply(uint64_t secret, broker::MessageBytes message) override;

 private:
  enum class State : uint8_t { kOpen, kClosing, kReleased };
  struct Transaction;
  // A queue.declare that the catalog was asked for, and its answer once it is there.
  struct Declaring {
    std::string name;
    bool no_wait = false;
    bool answered = false;
    absl::Status status;
    amqp::QueueDeclareOk ok;
  };

  // channel.cc
  void Process(const amqp::Frame& frame);
  absl::Status OnMethod(const base::Slice& payload);
  void RunPending();
  // Whether the frame can be handled though declares before it are not answered.
  bool MayJoinDeclares(const amqp::Frame& frame);
  void Refuse(const absl::Status& error);
  // Everything that the client holds goes back; the cluster forgets the channel.
  void GiveBack();
  void PlaceMarks();
  void AwaitAnswer();
  // The awaited answer came and was sent (or `status` refuses): go on with what waits.
  void Answered(const absl::Status& status);
  template <typename M>
  void Reply(const M& method) {
    connection_->writer().AddMethod(number_, method);
    MarkDirty();
  }
  void MarkDirty() { connection_->MarkDirty(this); }
  // For everything that is asked of the cluster but publishes: settles that gathered go first.
  cluster::FrontEnd& front_end() {
    SendSettles();
    return *connection_->loop().front_end;
  }
  const catalog::Version& catalog() const { return connection_->catalog(); }
  absl::Status CheckRight(catalog::Right right, absl::string_view kind, absl::string_view name);
  // 404 or, for another connection's exclusive queue, 405.
  absl::StatusOr<const catalog::QueueRecord*> FindQueue(absl::string_view name);
  absl::Status CheckOwner(const catalog::QueueRecord& queue);
  // An empty name stands for the queue declared last on this channel.
  absl::StatusOr<std::string> QueueNameOrLast(absl::string_view name);
  absl::Status NoQueue(absl::string_view name) const;
  absl::Status NoExchange(absl::string_view name) const;
  const std::string& vhost_name() const { return connection_->vhost_name(); }

  absl::Status On(const amqp::ChannelOpen&);
  absl::Status On(const amqp::ChannelFlow& method);
  absl::Status On(const amqp::ChannelClose&);
  absl::Status On(const amqp::AccessRequest&);

  // channel_exchange.cc
  absl::Status On(const amqp::ExchangeDeclare& method);
  absl::Status On(const amqp::ExchangeDelete& method);
  absl::Status On(const amqp::ExchangeBind& method);
  absl::Status On(const amqp::ExchangeUnbind& method);
  absl::Status ChangeBinding(bool add, catalog::DestinationKind kind, absl::string_view destination,
                             absl::string_view source, absl::string_view routing_key,
                             const amqp::Table& arguments, std::function<void()> answer);

  // channel_queue.cc
  absl::Status On(const amqp::QueueDeclare& method);
  // Direct reply-to has no queue, but clients ask whether it, or the address of a reply, is there:
  // answers that.
  bool DeclareReplyQueue(const std::string& name, bool no_wait);
  absl::Status DeclarePassive(const std::string& name, bool no_wait);
  // With `declare`, a queue that turns out to be gone is declared anew.
  void AnswerCounts(const catalog::QueueRecord& queue, bool no_wait,
                    const amqp::QueueDeclare* declare = nullptr);
  // What the catalog would be asked for; refuses what can be refused without asking.
  absl::Status PrepareDeclare(const amqp::QueueDeclare& method, catalog::DeclareQueue* declare);
  void AskForQueue(catalog::DeclareQueue declare, bool no_wait);
  void OnQueueAnswer(Declaring* declaring, const catalog::Outcome& outcome);
  // Sends the answers that are there, in the order in which they were asked for.
  void AnswerDeclares();
  absl::Status On(const amqp::QueueBind& method);
  absl::Status On(const amqp::QueueUnbind& method);
  absl::Status On(const amqp::QueuePurge& method);
  absl::Status On(const amqp::QueueDelete& method);

  // channel_publish.cc
  absl::Status OnPublishMethod(const base::Slice& payload);
  absl::Status OnContentFrame(const amqp::Frame& frame);
  absl::Status Publish();
  absl::Status CheckExchange(absl::string_view name);
  absl::Status CheckProperties(const amqp::BasicProperties& properties) const;
  // Fills targets_ and replies_.
  absl::Status RouteMessage(const amqp::BasicProperties& properties);
  void AddReplies(absl::Span<const absl::string_view> keys);
  // No queue: returned where that was asked for.
  void TakeUnroutable(const cluster::OutgoingPublish& publish, absl::string_view properties);
  void SendConfirms();

  // channel_consume.cc
  absl::Status On(const amqp::BasicConsume& method);
  absl::Status ConsumeDirectReplies(const amqp::BasicConsume& method);
  absl::Status On(const amqp::BasicCancel& method);
  absl::Status On(const amqp::BasicGet& method);
  void AnswerGet(bool no_ack, const cluster::ShardRef& shard, const broker::GetOk& got);
  Consumer* FindConsumer(broker::ConsumerKey key);
  void RemoveConsumer(Consumer* consumer);
  void MarkConsumer(Consumer* consumer);

  // channel_ack.cc
  absl::Status Settle(uint64_t tag, bool multiple, bool requeue, bool reject);
  void SettleRuns(const std::vector<UnackedRun>& runs, bool requeue, bool reject);
  void SendSettles();
  absl::Status On(const amqp::BasicReject& method);
  absl::Status On(const amqp::BasicNack& method);
  absl::Status On(const amqp::BasicRecover& method);
  absl::Status On(const amqp::BasicRecoverAsync& method);
  absl::Status Recover(bool requeue);

  // channel_qos.cc
  absl::Status On(const amqp::BasicQos& method);
  // What a consumer that starts now may be sent.
  broker::Credit FirstCredit(Consumer* consumer);
  void Regain(broker::ConsumerKey consumer, uint64_t messages);
  void OnHandedOut(Consumer* consumer);
  void GrantRegained(Consumer* consumer);
  // What its own prefetch lets it take now.
  uint64_t OwnCredit(const Consumer& consumer) const;
  void WantShare();
  void ShareLimit();
  void TakeUnused(Consumer* consumer);
  uint64_t UnusedTotal() const;

  // channel_confirm.cc, channel_tx.cc
  absl::Status On(const amqp::ConfirmSelect& method);
  absl::Status On(const amqp::TxSelect&);
  absl::Status On(const amqp::TxCommit&);
  absl::Status On(const amqp::TxRollback&);

  // Methods that no client may send.
  template <typename M>
  absl::Status On(const M&) {
    return amqp::CommandInvalid("unimplemented method");
  }

  Connection* const connection_;
  const uint16_t number_;
  const uint64_t serial_;
  const uint64_t pid_;
  State state_ = State::kOpen;
  cluster::ChannelKey key_;
  amqp::MethodId method_;  // The one that is being handled, for closes.

  bool waiting_ = false;
  bool running_pending_ = false;
  std::deque<amqp::Frame> pending_;
  std::deque<Declaring> declaring_;  // In the order of their answers.

  std::string last_queue_;  // Declared last.

  // Publishing.
  ContentAssembly assembly_;
  amqp::BasicPublish publish_;  // Its texts lie in the assembly's method.
  bool confirming_ = false;
  Confirms confirms_;  // Its numbers are the publishes' tags; without confirms the tag is 0.
  std::vector<Confirms::Answer> answers_;  // Scratch.
  uint64_t publishing_bytes_ = 0;          // This channel's part of the connection's.
  // The route of the last message without headers, true of one version of the catalog.
  struct Route {
    catalog::VersionPtr version;
    const catalog::ExchangeRecord* exchange = nullptr;
    std::string exchange_name;
    bool permitted = false;  // May be published to.
    bool has_key = false;
    std::string routing_key;
    std::vector<catalog::Target> targets;
  };
  Route route_;
  // Of the message at hand.
  std::vector<catalog::Target> targets_;
  std::vector<cluster::ReplyAddress> replies_;
  std::unique_ptr<Transaction> tx_;

  // Consuming.
  uint64_t next_delivery_tag_ = 1;
  Unacked unacked_;
  absl::btree_map<std::string, std::unique_ptr<Consumer>> consumers_;  // By tag.
  absl::flat_hash_map<uint64_t, Consumer*> consumers_by_key_;
  Consumer* last_consumer_ = nullptr;
  std::vector<Consumer*> touched_;  // Have something for Flush.
  uint32_t consumer_prefetch_ = 0;  // basic.qos global=false: of consumers to come.
  uint32_t channel_limit_ = 0;      // basic.qos global=true; 0 = none.
  uint64_t consumer_unacked_ = 0;   // Held through consumers, not by get; counted always.
  uint64_t share_from_ = 0;         // Round robin of the channel's limit.
  bool wants_share_ = false;        // ShareLimit at the end of the turn.
  bool qos_waiting_ = false;        // basic.qos is answered once nothing is being taken back.
  uint32_t takes_awaited_ = 0;      // TakeCredits under way.
  ReplyConsumer reply_consumer_;

  std::vector<UnackedRun> taken_;  // Scratch.
  bool settle_waiting_ = false;
  cluster::OutgoingSettle settle_;  // Grows while acks follow each other; sent by SendSettles.
};

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_CHANNEL_H_
