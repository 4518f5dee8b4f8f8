#ifndef PONTOON_CLIENT_CTL_INFORMATION_UNIT_H_
#define PONTOON_CLIENT_CTL_INFORMATION_UNIT_H_

#include <cstdint>
#include <optional>
#include <string>

namespace pontoon::ctl {

// "50MB", "1GiB", "60k" or a plain number, as RabbitMQ reads them: k, M, G, T and P with B or
// without are powers of 1000 with B and of 1024 alone and with iB. nullopt for anything else.
std::optional<int64_t> BytesOf(const std::string& text);

// The amount in the unit ("gb", "MB", "bytes" ...; any case), rounded to four digits as status
// prints it, without the unit; nullopt if there is no such unit.
std::optional<std::string> InUnit(uint64_t bytes, const std::string& unit);

}  // namespace pontoon::ctl

#endif  // PONTOON_CLIENT_CTL_INFORMATION_UNIT_H_
