// SPDX-License-Identifier: BSD-3-Clause
//
// Preloaded into the real program (LD_PRELOAD): counts allocations and page faults between the moments at which
// `sluice bench` looks at its CPU clock, which it does at the beginning and the end of each loop and nowhere else.
// Prints one line a loop at the end: allocations of the worker's thread, minor faults of that thread.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static __thread unsigned long calls;
static unsigned long begin_calls, begin_faults, loops, total_calls, total_faults, worst_faults;
static int inside;

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);
void *malloc(size_t n);
void *calloc(size_t n, size_t m);
void *realloc(void *p, size_t n);
void free(void *p);

void *malloc(size_t n)
{
	calls++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t m)
{
	calls++;
	return __libc_calloc(n, m);
}

void *realloc(void *p, size_t n)
{
	calls++;
	return __libc_realloc(p, n);
}

void free(void *p)
{
	calls++;
	__libc_free(p);
}

static unsigned long faults(void)
{
	struct rusage r;
	getrusage(RUSAGE_THREAD, &r);
	return r.ru_minflt;
}

static void say(void)
{
	printf("loops %lu, allocations %lu, page faults %lu (most in one loop %lu)\n", loops, total_calls, total_faults,
	       worst_faults);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	if (id != CLOCK_THREAD_CPUTIME_ID)
		return real(id, t);
	if (!inside) {
		if (!loops)
			atexit(say);
		begin_faults = faults();
		begin_calls = calls;
	} else {
		unsigned long f = faults() - begin_faults;
		total_calls += calls - begin_calls;
		total_faults += f;
		worst_faults = f > worst_faults ? f : worst_faults;
		loops++;
	}
	inside = !inside;
	return real(id, t);
}
