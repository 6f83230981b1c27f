/**
 * File descriptors kept back for the firewall. Anybody who may connect to us can hold as many as there are: a server
 * takes every connection it is offered. So some are held from the start and let go for the moment in which a program is
 * started; and when there are no others left, the connections are closed, all of them, at once.
 */
import { closeSync, openSync } from "node:fs";

/** Something whose connections can be closed. */
export interface Door {
  /** Closes every connection at once and takes no more for a while. Never throws. */
  reset(): void;
}

/** Starting a program takes about eight while it lasts: pipes for both outputs and its input, and the process itself. */
const HELD = 16;

export class DescriptorReserve {
  #held: number[] = [];
  #doors: readonly Door[] = [];
  #shortages = 0;

  /** `onShortage` hears of each time when none were left, with how often that has been. */
  constructor(private readonly onShortage: (count: number) => void) {}

  /** From now on its connections are closed when there are no descriptors left. */
  guard(door: Door): void {
    this.#doors = [...this.#doors, door];
  }

  /** Takes what is missing of the reserve; closes the connections where there is not one more than that. Cheap; often. */
  look(): void {
    if (this.#fill() && isOneLeft()) return;
    this.#shortages++;
    for (const door of this.#doors) door.reset();
    this.#fill();
    this.onShortage(this.#shortages);
  }

  /** Lets go of the reserve while `take` opens what it needs, before anybody else can. */
  readonly lend = <T>(take: () => T): T => {
    this.look();
    for (const descriptor of this.#held.splice(0)) closeSync(descriptor);
    try {
      return take();
    } finally {
      this.#fill();
    }
  };

  /** False when there are too few. */
  #fill(): boolean {
    try {
      while (this.#held.length < HELD) this.#held.push(openSync("/dev/null", "r"));
      return true;
    } catch {
      return false;
    }
  }
}

function isOneLeft(): boolean {
  try {
    closeSync(openSync("/dev/null", "r"));
    return true;
  } catch {
    return false;
  }
}
