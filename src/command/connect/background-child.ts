import { backgroundIo } from '../process/background.js';
import { processIo } from '../process/io.js';
import { exitCodeOf } from '../process/exit-code.js';
import type { ConnectPlan } from './connect-plan.js';
import { runLocal } from './local-port.js';

/** What the process gets that `connect --background` starts: read once, as a file of the command line may be a shell's pipe. */
export interface BackgroundStart {
  readonly plan: ConnectPlan;
  readonly isVerbose: boolean;
}

const io = backgroundIo(processIo());
process.once('message', ({ plan, isVerbose }: BackgroundStart) => {
  void exitCodeOf(io, () => runLocal(io, plan, isVerbose, io.onReady)).then((code) => process.exit(code));
});
