#!/usr/bin/env node
import { backgroundIo } from './command/process/background.js';
import { processIo } from './command/process/io.js';
import { run } from './command/run.js';

void run(process.argv.slice(2), backgroundIo(processIo())).then((code) => {
  // The command is done: timers and sockets that are still open must not keep the process alive.
  process.exit(code);
});
