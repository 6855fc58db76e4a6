import { backgroundIo } from '../background.js';
import { processIo } from '../io.js';
import { settled } from '../settled.js';
import type { ConnectPlan } from './arguments.js';
import { runLocal } from './local.js';

/** What the process gets that `connect --background` starts: read once, as a file of the command line may be a shell's pipe. */
export interface Start {
  readonly plan: ConnectPlan;
  readonly isVerbose: boolean;
}

const io = backgroundIo(processIo());
process.once('message', ({ plan, isVerbose }: Start) => {
  void settled(io, () => runLocal(io, plan, isVerbose, io.onReady)).then((code) => process.exit(code));
});
