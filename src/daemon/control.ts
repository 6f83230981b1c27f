/** The control socket, open to the command line. */
import { createControlServer } from "../control/server.ts";
import type { SystemStatus } from "../status.ts";
import { createControlTarget } from "./control-target.ts";
import type { Enforcement } from "./enforcement.ts";
import type { Ground } from "./ground.ts";

/** Throws ControlError when the socket cannot be had: another detector runs, or its directory cannot be made. */
export async function startControl(
  { clock, engine, settings, lifecycle, descriptors }: Ground,
  { effects, modes, reconciler }: Enforcement,
  status: () => SystemStatus,
): Promise<void> {
  const target = createControlTarget({
    clock,
    engine,
    effects,
    status,
    setMode: ({ mode, by }) => modes.say(mode, by),
    reconcile: () => reconciler.now(),
  });
  const control = createControlServer(target, settings.config.control.socket, clock);
  descriptors.guard(control);
  await lifecycle.start(
    "control",
    () => control.start(),
    () => control.stop(),
  );
}
