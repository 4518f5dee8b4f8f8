#ifndef PONTOON_CLIENT_CTL_VALUE_TEXT_H_
#define PONTOON_CLIENT_CTL_VALUE_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "client/ctl/erlang_term.h"
#include "proto/admin.pb.h"

namespace pontoon::ctl {

// One value as rabbitmqctl's tables print it: strings as they are, arguments as
// [{"name","value"},{"n",5}], lists as [a, b], nothing as "".
std::string PlainText(const admin::Value& value);

// As its JSON formatter prints it: arguments as [["name","longstr","value"],...].
std::string JsonText(const admin::Value& value);
// `text` quoted.
std::string JsonString(absl::string_view text);

// As its pretty_table prints it: like PlainText, but arguments in Erlang's words and lists without
// brackets.
std::string PrettyText(const admin::Value& value);

// As an Erlang term: strings as binaries, arguments as {<<"name">>,longstr,<<"value">>}.
ErlangTerm TermOf(const admin::Value& value);

// The shortest decimal that reads back as the same number, always with a point or an exponent.
std::string RealText(double number);

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_VALUE_TEXT_H_
