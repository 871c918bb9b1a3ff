// SPDX-License-Identifier: BSD-3-Clause
//
// C11's threads as pthreads, linked where ThreadSanitizer is: it knows only these, and librdkafka uses those (a thread
// of thrd_create has no state of the sanitizer's and dies in its first calloc). glibc's types of both are the same
// thing.
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <threads.h>

static int as(int rc)
{
	return rc == 0 ? thrd_success : rc == ETIMEDOUT ? thrd_timedout : rc == EBUSY ? thrd_busy : thrd_error;
}

struct begin {
	thrd_start_t f;
	void *arg;
};

static void *begin(void *of)
{
	struct begin b = *(struct begin *)of;
	free(of);
	return (void *)(long)b.f(b.arg);
}

int thrd_create(thrd_t *t, thrd_start_t f, void *arg)
{
	struct begin *b = malloc(sizeof(*b));
	*b = (struct begin){f, arg};
	return as(pthread_create(t, NULL, begin, b));
}

int thrd_join(thrd_t t, int *rc)
{
	void *result;
	int error = pthread_join(t, &result);
	if (rc)
		*rc = (int)(long)result;
	return as(error);
}

int thrd_detach(thrd_t t)
{
	return as(pthread_detach(t));
}

int mtx_init(mtx_t *m, int type)
{
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
	return as(pthread_mutex_init((pthread_mutex_t *)m, &a));
}

void mtx_destroy(mtx_t *m)
{
	pthread_mutex_destroy((pthread_mutex_t *)m);
}

int mtx_lock(mtx_t *m)
{
	return as(pthread_mutex_lock((pthread_mutex_t *)m));
}

int mtx_trylock(mtx_t *m)
{
	return as(pthread_mutex_trylock((pthread_mutex_t *)m));
}

int mtx_unlock(mtx_t *m)
{
	return as(pthread_mutex_unlock((pthread_mutex_t *)m));
}

int cnd_init(cnd_t *c)
{
	return as(pthread_cond_init((pthread_cond_t *)c, NULL));
}

void cnd_destroy(cnd_t *c)
{
	pthread_cond_destroy((pthread_cond_t *)c);
}

int cnd_signal(cnd_t *c)
{
	return as(pthread_cond_signal((pthread_cond_t *)c));
}

int cnd_broadcast(cnd_t *c)
{
	return as(pthread_cond_broadcast((pthread_cond_t *)c));
}

int cnd_wait(cnd_t *c, mtx_t *m)
{
	return as(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

int cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *until)
{
	return as(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, until));
}
