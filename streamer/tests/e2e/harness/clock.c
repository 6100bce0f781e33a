/* Loaded before the C library: the clock that people see is as many seconds ahead as the file says that CLOCK_FILE names.
 * Clocks that nobody sets are left alone. */
#define _GNU_SOURCE
#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead_seconds;

__attribute__((constructor)) static void open_clock(void)
{
    int file = open(getenv("CLOCK_FILE"), O_RDONLY | O_CLOEXEC);
    ahead_seconds = mmap(NULL, sizeof *ahead_seconds, PROT_READ, MAP_SHARED, file, 0);
    if (ahead_seconds == MAP_FAILED)
        abort();
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int failed = (int)syscall(SYS_clock_gettime, clock, time);
    if (!failed && clock == CLOCK_REALTIME)
        time->tv_sec += (int64_t)le64toh((uint64_t)*ahead_seconds);
    return failed;
}
