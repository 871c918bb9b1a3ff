// SPDX-License-Identifier: BSD-3-Clause
//
// Loads take as long as Hyperscan does, so they have a thread of their own: the control thread answers meanwhile, and
// workers never notice. One at a time; who comes second is told so, and tries again.
#include "ctl/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/loop.h"

struct job {
	struct reload reload;
	struct appliance *a;
	struct loop *loop;
	reload_done *done;
	void *arg;
	char *said, *file;
};

static void job_free(struct job *j)
{
	free(j->said);
	free(j->file);
	free(j);
}

static void told(void *arg)
{
	struct job *j = arg;
	pthread_join(j->a->reloading, NULL);
	j->a->reload_runs = false;
	if (j->reload.rc == 0)
		atomic_store(&j->a->enforcing, true);
	j->reload.said = j->said ? j->said : "";
	j->done(j->arg, &j->reload);
	job_free(j);
}

static void *load(void *arg)
{
	struct job *j = arg;
	size_t size;
	FILE *say = open_memstream(&j->said, &size);
	pthread_setname_np(pthread_self(), "policy");
	j->reload.rc = say ? standing_load(j->a->standing, j->file, &j->reload.done, say) : -ENOMEM;
	if (say)
		fclose(say);
	if (loop_post(j->loop, told, j) < 0)
		abort(); // some bytes: without them nobody would ever hear of it
	return NULL;
}

int reload_begin(struct appliance *a, struct loop *loop, const char *file, reload_done *done, void *arg)
{
	if (a->reload_runs)
		return -EBUSY;
	struct job *j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	*j = (struct job){.a = a, .loop = loop, .done = done, .arg = arg, .file = strdup(file)};
	j->reload.file = j->file;
	if (!j->file || pthread_create(&a->reloading, NULL, load, j) != 0) {
		job_free(j);
		return -ENOMEM;
	}
	a->reload_runs = true;
	return 0;
}

void reload_join(struct appliance *a)
{
	if (a->reload_runs)
		pthread_join(a->reloading, NULL);
	a->reload_runs = false;
}
