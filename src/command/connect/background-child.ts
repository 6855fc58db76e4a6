import { backgroundIo } from '../process/background.js';
import { processIo } from '../process/io.js';
import { exitCodeOf } from '../process/exit-code.js';
import type { ConnectPlan } from './connect-plan.js';
import { runLocal } from './local-port.js';

/** The first message to the background process. It contains the plan, since the files may be a shell's pipes, which can't be read twice. */
export interface BackgroundStart {
  readonly plan: ConnectPlan;
  readonly isVerbose: boolean;
}

const io = backgroundIo(processIo());
process.once('message', ({ plan, isVerbose }: BackgroundStart) => {
  void exitCodeOf(io, () => runLocal(io, plan, isVerbose, io.onReady)).then((code) => process.exit(code));
});
