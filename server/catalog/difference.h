#ifndef PONTOON_SERVER_CATALOG_DIFFERENCE_H_
#define PONTOON_SERVER_CATALOG_DIFFERENCE_H_

#include <vector>

#include "server/catalog/catalog.h"
#include "server/catalog/members.h"

namespace pontoon::catalog {

// What would have been told, had all that lies between the two been applied one by one, as far as
// the two still show it: for a node that takes over a snapshot. What was made and went again in
// between is not in it; of a queue that went it is not known whether its shard has closed it.
std::vector<Change> Difference(const Version& before, const Members& members_before,
                               const Version& after, const Members& members_after);

}  // namespace pontoon::catalog

#endif  // PONTOON_SERVER_CATALOG_DIFFERENCE_H_
