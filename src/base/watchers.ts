/** Those who want to be told when something changed; what it was they look up themselves. */
export class Watchers {
  readonly #all: (() => void)[] = [];

  add(watcher: () => void): void {
    this.#all.push(watcher);
  }

  tell(): void {
    for (const watcher of this.#all) watcher();
  }
}
