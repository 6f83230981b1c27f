/** What is started in order is stopped in reverse order, once, within a deadline. */

interface Part {
  readonly name: string;
  readonly stop: () => Promise<void> | void;
}

/** Parts in the order of their start. */
export class Lifecycle {
  #parts: Part[] = [];
  #stopping: Promise<void> | null = null;

  constructor(private readonly onError: (part: string, error: unknown) => void) {}

  /** Starts a part and remembers how to stop it. When it cannot start, what runs already is left to `stop`. */
  async start(name: string, start: () => Promise<void> | void, stop: () => Promise<void> | void): Promise<void> {
    await start();
    this.hold(name, stop);
  }

  /** Remembers how to stop a part that runs already. */
  hold(name: string, stop: () => Promise<void> | void): void {
    this.#parts.push({ name, stop });
  }

  /** Stops everything; resolves when done or after `deadlineMs`, whichever is first. */
  stop(deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#stopAll(deadlineMs);
    return this.#stopping;
  }

  async #stopAll(deadlineMs: number): Promise<void> {
    const deadline = new Promise<void>((resolve) => setTimeout(resolve, deadlineMs).unref());
    await Promise.race([this.#stopInReverse(), deadline]);
  }

  async #stopInReverse(): Promise<void> {
    for (const part of this.#parts.splice(0).reverse()) {
      try {
        await part.stop();
      } catch (error) {
        this.onError(part.name, error);
      }
    }
  }
}
