/* A drive whose cache lies, for the test that shows that the checker goes red: preloaded into the daemon, it
 * answers every durable write (pwritev2 with RWF_DSYNC, which only the commit log issues) at once and does it
 * LYING_CACHE_MS later. A SIGKILL then takes what was answered and not yet written, as a power cut does from
 * a drive that answers before it has the bytes; to the client it is the same as a node that acknowledges
 * before its sync. Reads of this process see what still waits. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct waiting {
  struct waiting* next;
  int descriptor;
  dev_t device;
  ino_t inode;
  off_t offset;
  size_t size;
  char* bytes;
  struct timespec due;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t grown = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct waiting *first, *last;
static long delay_ms = 300;
static ssize_t (*real_pwritev2)(int, const struct iovec*, int, off_t, int);
static ssize_t (*real_preadv2)(int, const struct iovec*, int, off_t, int);
static ssize_t (*real_pread)(int, void*, size_t, off_t);

static void* write_late(void* unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (first == NULL) pthread_cond_wait(&grown, &lock);
    struct waiting* one = first;
    pthread_mutex_unlock(&lock);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &one->due, NULL) != 0) {
    }
    const struct iovec part = {one->bytes, one->size};
    if (real_pwritev2(one->descriptor, &part, 1, one->offset, 0) != (ssize_t)one->size) abort();
    pthread_mutex_lock(&lock);
    first = one->next;
    if (first == NULL) last = NULL;
    close(one->descriptor);
    free(one->bytes);
    free(one);
  }
  return NULL;
}

static void start(void) {
  real_pwritev2 = (ssize_t(*)(int, const struct iovec*, int, off_t, int))dlsym(RTLD_NEXT, "pwritev2");
  real_preadv2 = (ssize_t(*)(int, const struct iovec*, int, off_t, int))dlsym(RTLD_NEXT, "preadv2");
  real_pread = (ssize_t(*)(int, void*, size_t, off_t))dlsym(RTLD_NEXT, "pread");
  const char* given = getenv("LYING_CACHE_MS");
  if (given != NULL) delay_ms = atol(given);
  pthread_t thread;
  if (pthread_create(&thread, NULL, write_late, NULL) != 0) abort();
}

ssize_t pwritev2(int descriptor, const struct iovec* parts, int count, off_t offset, int flags) {
  pthread_once(&once, start);
  struct stat info;
  if ((flags & RWF_DSYNC) == 0 || fstat(descriptor, &info) != 0)
    return real_pwritev2(descriptor, parts, count, offset, flags);
  struct waiting* one = calloc(1, sizeof *one);
  for (int i = 0; i < count; ++i) one->size += parts[i].iov_len;
  /* Its own memory and descriptor; aligned, since the log is opened with O_DIRECT. */
  if (posix_memalign((void**)&one->bytes, 4096, one->size) != 0) abort();
  size_t at = 0;
  for (int i = 0; i < count; at += parts[i++].iov_len)
    memcpy(one->bytes + at, parts[i].iov_base, parts[i].iov_len);
  one->descriptor = dup(descriptor);
  one->device = info.st_dev;
  one->inode = info.st_ino;
  one->offset = offset;
  clock_gettime(CLOCK_MONOTONIC, &one->due);
  one->due.tv_nsec += delay_ms % 1000 * 1000000;
  one->due.tv_sec += delay_ms / 1000 + one->due.tv_nsec / 1000000000;
  one->due.tv_nsec %= 1000000000;
  const ssize_t size = (ssize_t)one->size;
  pthread_mutex_lock(&lock);
  if (last != NULL) last->next = one;
  if (first == NULL) first = one;
  last = one;
  pthread_cond_signal(&grown);
  pthread_mutex_unlock(&lock);
  return size;
}

/* Lays what waits over `size` bytes that were read from `offset`. Under the lock, with the read: nothing
 * leaves meanwhile. */
static void overlay(int descriptor, char* into, ssize_t size, off_t offset) {
  struct stat info;
  if (size <= 0 || fstat(descriptor, &info) != 0) return;
  for (const struct waiting* one = first; one != NULL; one = one->next) {
    if (one->device != info.st_dev || one->inode != info.st_ino) continue;
    const off_t begin = offset > one->offset ? offset : one->offset;
    const off_t ends = one->offset + (off_t)one->size, wanted = offset + size;
    const off_t end = ends < wanted ? ends : wanted;
    if (begin < end)
      memcpy(into + (begin - offset), one->bytes + (begin - one->offset), (size_t)(end - begin));
  }
}

ssize_t pread(int descriptor, void* into, size_t size, off_t offset) {
  pthread_once(&once, start);
  pthread_mutex_lock(&lock);
  const ssize_t got = real_pread(descriptor, into, size, offset);
  overlay(descriptor, into, got, offset);
  pthread_mutex_unlock(&lock);
  return got;
}

ssize_t preadv2(int descriptor, const struct iovec* parts, int count, off_t offset, int flags) {
  pthread_once(&once, start);
  pthread_mutex_lock(&lock);
  const ssize_t got = real_preadv2(descriptor, parts, count, offset, flags);
  if (count == 1) overlay(descriptor, parts[0].iov_base, got, offset);
  pthread_mutex_unlock(&lock);
  return got;
}
