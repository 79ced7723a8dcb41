/** A disk, or a device, that answers nothing for as long as a test wants: for a process of its own. */
import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a program has of its disk waits in the kernel; a path of a call, or of its descriptor, says which disk it is. */
const library = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>
static void wait_for(const char *path) {
  const char *below = getenv("QKD_HUNG_BELOW"), *flag = getenv("QKD_HUNG_WHILE");
  if (below == NULL || flag == NULL || strstr(path, below) == NULL) return;
  if (access(flag, F_OK) != 0) return;
  char waits[4096];
  snprintf(waits, sizeof waits, "%s.waits", flag);
  mkdir(waits, 0700);
  while (access(flag, F_OK) == 0) usleep(20000);
}
static void wait_fd(int is_sync, int fd) {
  if (!is_sync && getenv("QKD_HUNG_SYNCS") != NULL) return;
  char name[64], path[4096];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(name, path, sizeof path - 1);
  if (length <= 0) return;
  path[length] = 0;
  wait_for(path);
}
#define CALL(is_sync, type, name, parameters, values) \\
  type name parameters { \\
    wait_fd(is_sync, fd); \\
    return ((type (*) parameters)dlsym(RTLD_NEXT, #name)) values; \\
  }
#define ON_FD(type, name, parameters, values) CALL(0, type, name, parameters, values)
CALL(1, int, fsync, (int fd), (fd))
CALL(1, int, fdatasync, (int fd), (fd))
ON_FD(ssize_t, write, (int fd, const void *b, size_t n), (fd, b, n))
ON_FD(ssize_t, pwrite, (int fd, const void *b, size_t n, off_t at), (fd, b, n, at))
ON_FD(ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t at), (fd, b, n, at))
ON_FD(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
ON_FD(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at))
ON_FD(ssize_t, read, (int fd, void *b, size_t n), (fd, b, n))
ON_FD(ssize_t, pread, (int fd, void *b, size_t n, off_t at), (fd, b, n, at))
ON_FD(ssize_t, pread64, (int fd, void *b, size_t n, off64_t at), (fd, b, n, at))
ON_FD(int, ftruncate, (int fd, off_t n), (fd, n))
ON_FD(int, ftruncate64, (int fd, off64_t n), (fd, n))
static void wait_path(const char *path) {
  if (getenv("QKD_HUNG_SYNCS") == NULL) wait_for(path);
}
#define ON_PATH(name) \\
  int name(const char *path, int flags, ...) { \\
    va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more); \\
    wait_path(path); \\
    return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name))(path, flags, mode); \\
  }
ON_PATH(open)
ON_PATH(open64)
int unlink(const char *path) {
  wait_path(path);
  return ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
}
int rename(const char *from, const char *to) {
  wait_path(from);
  return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
`;

export class HungDisk {
  /** Of the program whose disk it is. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #flag: string;

  /**
   * Needs gcc.
   * @param folder where the library is made
   * @param below what the path of each file on that disk has in it
   * @param what "syncs": all but these goes on
   */
  constructor(folder: string, below: string, what: "all" | "syncs" = "all") {
    const [source, preload] = [join(folder, "disk.c"), join(folder, "disk.so")];
    this.#flag = join(folder, "disk-hangs");
    writeFileSync(source, library);
    execFileSync("gcc", ["-shared", "-fPIC", "-o", preload, source, "-ldl"]);
    const hung = { QKD_HUNG_BELOW: below, QKD_HUNG_WHILE: this.#flag };
    const syncs = what === "syncs" && { QKD_HUNG_SYNCS: "1" };
    this.environment = { LD_PRELOAD: preload, ...hung, ...syncs };
  }

  hang(): void {
    rmSync(`${this.#flag}.waits`, { recursive: true, force: true });
    writeFileSync(this.#flag, "");
  }

  /** The program waits for it, or has since it hung last. */
  get isWaitedFor(): boolean {
    return existsSync(`${this.#flag}.waits`);
  }

  goOn(): void {
    if (existsSync(this.#flag)) rmSync(this.#flag);
  }
}
