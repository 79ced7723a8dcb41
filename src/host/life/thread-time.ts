/** What this thread has had of a processor so far, ms. On a busy machine that is little of the time that goes by. */
export function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
