// SPDX-License-Identifier: BSD-3-Clause
//
// Credentials where libcurl is not built in: nobody can be asked for them, what environment and profiles have is left.
#include <errno.h>

#include "remote/credentials_in.h"

int credentials_container(struct credentials *c, struct credentials_set *out)
{
	return -ENOENT;
}

int credentials_instance(struct credentials *c, struct credentials_set *out)
{
	return -ENOENT;
}

int credentials_web_identity(struct credentials *c, struct credentials_set *out)
{
	return -ENOENT;
}

int credentials_assume(struct credentials *c, const struct credentials_role *r, const struct credentials_set *with,
		       struct credentials_set *out)
{
	return credentials_fail(c, -ENOTSUP, "built without libcurl (-Ds3): STS cannot be asked for %s", r->arn);
}
