#ifndef PONTOON_SERVER_SESSION_TEST_METHODS_H_
#define PONTOON_SERVER_SESSION_TEST_METHODS_H_

#include <string>
#include <utility>

#include "server/amqp/methods.h"

// Methods as tests send them, in a line each.
namespace pontoon::session {

inline amqp::QueueDeclare Queue(const std::string& name, bool passive = false, bool durable = false,
                                amqp::Table arguments = {}) {
  amqp::QueueDeclare declare;
  declare.queue = name;
  declare.passive = passive;
  declare.durable = durable;
  declare.arguments = std::move(arguments);
  return declare;
}
inline amqp::ExchangeDeclare Exchange(const std::string& name, const std::string& type,
                                      bool durable = false, amqp::Table arguments = {}) {
  amqp::ExchangeDeclare declare;
  declare.exchange = name;
  declare.type = type;
  declare.durable = durable;
  declare.arguments = std::move(arguments);
  return declare;
}
inline amqp::ExchangeDeclare PassiveExchange(const std::string& name,
                                             const std::string& type = "") {
  amqp::ExchangeDeclare declare = Exchange(name, type);
  declare.passive = true;
  return declare;
}
inline amqp::QueueBind Bind(const std::string& queue, const std::string& exchange,
                            const std::string& key = "", amqp::Table arguments = {}) {
  amqp::QueueBind bind;
  bind.queue = queue;
  bind.exchange = exchange;
  bind.routing_key = key;
  bind.arguments = std::move(arguments);
  return bind;
}
inline amqp::QueueUnbind Unbind(const std::string& queue, const std::string& exchange) {
  amqp::QueueUnbind unbind;
  unbind.queue = queue;
  unbind.exchange = exchange;
  unbind.routing_key = "k";
  return unbind;
}
inline amqp::ExchangeBind BindExchange(const std::string& destination, const std::string& source) {
  amqp::ExchangeBind bind;
  bind.destination = destination;
  bind.source = source;
  return bind;
}
inline amqp::ExchangeDelete DeleteExchange(const std::string& name, bool if_unused = false) {
  amqp::ExchangeDelete method;
  method.exchange = name;
  method.if_unused = if_unused;
  return method;
}
inline amqp::QueueDelete DeleteQueue(const std::string& name, bool if_unused = false,
                                     bool if_empty = false) {
  amqp::QueueDelete method;
  method.queue = name;
  method.if_unused = if_unused;
  method.if_empty = if_empty;
  return method;
}
inline amqp::QueuePurge Purge(const std::string& name) {
  amqp::QueuePurge method;
  method.queue = name;
  return method;
}
inline amqp::BasicGet Get(const std::string& name, bool no_ack = false) {
  amqp::BasicGet method;
  method.queue = name;
  method.no_ack = no_ack;
  return method;
}
inline amqp::BasicConsume Consume(const std::string& queue, const std::string& tag = "",
                                  bool no_ack = false) {
  amqp::BasicConsume method;
  method.queue = queue;
  method.consumer_tag = tag;
  method.no_ack = no_ack;
  return method;
}
inline amqp::BasicAck Ack(uint64_t tag, bool multiple = false) {
  amqp::BasicAck method;
  method.delivery_tag = tag;
  method.multiple = multiple;
  return method;
}
inline amqp::BasicQos Qos(uint16_t count, bool global = false, uint32_t size = 0) {
  amqp::BasicQos method;
  method.prefetch_count = count;
  method.prefetch_size = size;
  method.global = global;
  return method;
}

inline amqp::BasicNack Nack(uint64_t tag, bool multiple, bool requeue) {
  amqp::BasicNack nack;
  nack.delivery_tag = tag;
  nack.multiple = multiple;
  nack.requeue = requeue;
  return nack;
}

}  // namespace pontoon::session

#endif  // PONTOON_SERVER_SESSION_TEST_METHODS_H_
