// Counts what a process under LD_PRELOAD asks of the heap: every malloc, calloc, realloc, aligned allocation
// and operator new, of the process itself and of its libraries. The count is the first 8 bytes of the file
// that COUNT_ALLOCATIONS names. Where COUNT_TRACE names a file and bytes 8 to 11 of the first hold a positive
// number, so many of them are described there, one a line: size and return addresses as LIBRARY+OFFSET.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct shared {
  _Atomic unsigned long count;
  _Atomic int to_trace;
};
static struct shared nowhere;
static struct shared* shared = &nowhere;
static void* (*next_malloc)(size_t);
static void* (*next_calloc)(size_t, size_t);
static void* (*next_realloc)(void*, size_t);
static int (*next_posix_memalign)(void**, size_t, size_t);
static void* (*next_aligned_alloc)(size_t, size_t);
static void* (*next_new)(size_t);
static void* (*next_aligned_new)(size_t, size_t);
static __thread int inside;

// dlsym itself allocates: it is served from here, and what it frees is never given on.
static char early[1 << 16];
static size_t early_used;
static void* take_early(size_t size) {
  void* memory = early + early_used;
  early_used += (size + 15) & ~(size_t)15;
  if (early_used > sizeof(early)) abort();
  return memory;
}

static void find_next(void) {
  static int begun;
  if (begun) return;
  begun = 1;
  next_calloc = dlsym(RTLD_NEXT, "calloc");
  next_realloc = dlsym(RTLD_NEXT, "realloc");
  next_posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
  next_aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
  next_new = dlsym(RTLD_NEXT, "_Znwm");
  next_aligned_new = dlsym(RTLD_NEXT, "_ZnwmSt11align_val_t");
  next_malloc = dlsym(RTLD_NEXT, "malloc");
  const char* path = getenv("COUNT_ALLOCATIONS");
  const int file = path == NULL ? -1 : open(path, O_RDWR);
  if (file < 0) return;
  void* mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (mapped != MAP_FAILED) shared = mapped;
}

static void describe(size_t size) {
  static int out = -1;
  const char* path = getenv("COUNT_TRACE");
  if (path == NULL) return;
  if (out < 0) out = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  void* callers[24];
  const int count = backtrace(callers, 24);
  char line[4096];
  int at = snprintf(line, sizeof(line), "%zu", size);
  for (int i = 2; i < count && at < (int)sizeof(line) - 300; ++i) {
    Dl_info info;
    if (dladdr(callers[i], &info) == 0) continue;
    const char* name = strrchr(info.dli_fname, '/');
    at += snprintf(line + at, sizeof(line) - (size_t)at, " %.200s+0x%lx",
                   name == NULL ? info.dli_fname : name + 1,
                   (unsigned long)((char*)callers[i] - (char*)info.dli_fbase));
  }
  line[at++] = '\n';
  if (write(out, line, (size_t)at) < 0) return;
}

static void note(size_t size) {
  find_next();
  if (inside) return;
  atomic_fetch_add_explicit(&shared->count, 1, memory_order_relaxed);
  if (atomic_load_explicit(&shared->to_trace, memory_order_relaxed) <= 0) return;
  inside = 1;
  if (atomic_fetch_sub(&shared->to_trace, 1) > 0) describe(size);
  inside = 0;
}

void* malloc(size_t size) {
  note(size);
  return next_malloc == NULL ? take_early(size) : next_malloc(size);
}
void* calloc(size_t count, size_t size) {
  if (next_calloc == NULL) return take_early(count * size);
  note(count * size);
  return next_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  note(size);
  return next_realloc(memory, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
  note(size);
  return next_posix_memalign(memory, alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  note(size);
  return next_aligned_alloc(alignment, size);
}
// operator new, plain and aligned, one and many.
void* _Znwm(size_t size) {
  note(size);
  return next_new(size);
}
void* _Znam(size_t size) {
  note(size);
  return next_new(size);
}
void* _ZnwmSt11align_val_t(size_t size, size_t alignment) {
  note(size);
  return next_aligned_new(size, alignment);
}
void* _ZnamSt11align_val_t(size_t size, size_t alignment) {
  note(size);
  return next_aligned_new(size, alignment);
}
