import { backgroundIo } from '../process/background.js';
import { processIo } from '../process/io.js';
import { settled } from '../process/exit-code.js';
import type { ConnectPlan } from './connect-plan.js';
import { runLocal } from './local-port.js';

/** What the process gets that `connect --background` starts: read once, as a file of the command line may be a shell's pipe. */
export interface Start {
  readonly plan: ConnectPlan;
  readonly isVerbose: boolean;
}

const io = backgroundIo(processIo());
process.once('message', ({ plan, isVerbose }: Start) => {
  void settled(io, () => runLocal(io, plan, isVerbose, io.onReady)).then((code) => process.exit(code));
});
