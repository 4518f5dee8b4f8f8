#ifndef PONTOON_SERVER_AMQP_ARGUMENT_TEXT_H_
#define PONTOON_SERVER_AMQP_ARGUMENT_TEXT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/amqp/table.h"

// How RabbitMQ words arguments in its 406 texts and compares them.
namespace pontoon::amqp {

// "the value '5' of type 'signedint'"; "none" for null.
std::string DescribeTyped(const Value* value);
// The value alone as RabbitMQ puts it between quotes: octets of strings as they are, other types as
// Erlang terms (5, true, 1.5, [{longstr,<<"a">>}]).
std::string ErlangText(const Value& value);
// Octets as Erlang's ~p writes a binary: <<"printable">>, <<1,2,255>>, <<>>; ~w never uses quotes.
std::string ErlangBinary(absl::string_view octets);
std::string ErlangBinaryNumbers(absl::string_view octets);

// True where a redeclaration may give `received` for `current` (either may be null): the same
// value, where the signed integer types count as one and null equals null.
bool EquivalentArguments(const Value* current, const Value* received);

// OK if equivalent, else PRECONDITION_FAILED (406): "inequivalent arg 'x-max-length' for queue 'q'
// in vhost 'v': received the value '5' of type 'signedint' but current is none". `resource`: "queue
// 'q' in vhost 'v'".
absl::Status CheckArgumentEquivalence(absl::string_view name, absl::string_view resource,
                                      const Table& current, const Table& received);
// The same for what is not in a table: durable, auto_delete, type ("received 'true' but current is
// 'false'").
absl::Status InequivalentField(absl::string_view name, absl::string_view resource,
                               absl::string_view current, absl::string_view received);

}  // namespace pontoon::amqp

#endif  // PONTOON_SERVER_AMQP_ARGUMENT_TEXT_H_
