/** Files that hang in the kernel when they are opened, as on a disk or a device that is away: for a process of its own. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const library = (name: string) => `#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#define HANGING(name) \\
  int name(const char *path, int flags, ...) { \\
    va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more); \\
    while (strstr(path, "${name}") != NULL) pause(); \\
    return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name))(path, flags, mode); \\
  }
HANGING(open)
HANGING(open64)
`;

/**
 * Needs gcc.
 * @param folder where it is made
 * @param name what the path of each such file has in it
 * @returns the path for LD_PRELOAD
 */
export function hungFiles(folder: string, name: string): string {
  const [source, preload] = [join(folder, "hang.c"), join(folder, "hang.so")];
  writeFileSync(source, library(name));
  execFileSync("gcc", ["-shared", "-fPIC", "-o", preload, source, "-ldl"]);
  return preload;
}
