import { Writable } from 'node:stream';
import { messageOf } from '../../errors.js';
import { CommandError, EXIT } from '../exit.js';
import { processIo, say, type Io } from '../io.js';
import type { Report, Start } from './background.js';
import { runLocal } from './local.js';

/** A process that `runInBackground` has started, with the plan to come as its one message. */
function main(): void {
  let isListening = false;
  const report = (one: Report, done: () => void = () => undefined) => {
    if (process.connected) process.send?.(one, undefined, undefined, () => done());
    else done();
  };
  const stderr = new Writable({
    decodeStrings: false,
    write: (text: string, _encoding, done) => {
      if (isListening) process.stderr.write(text, () => done());
      else report({ kind: 'said', text }, done);
    },
  });
  const io: Io = { ...processIo(), stderr, outlivesTerminal: () => true };
  const end = (code: number) => report({ kind: 'ended', code }, () => process.exit(code));
  // The process that started it was killed, and has reported no number to end it by.
  process.once('disconnect', () => {
    if (!isListening) process.exit(EXIT.failed);
  });
  process.once('message', ({ plan, isVerbose }: Start) => {
    const onListening = () => {
      isListening = true;
      report({ kind: 'listening' }, () => {
        if (process.connected) process.disconnect();
      });
    };
    runLocal(io, plan, isVerbose, onListening).then(end, (error: unknown) => {
      const isKnown = error instanceof CommandError;
      say(io, isKnown ? error.message : `unexpected: ${messageOf(error)}`);
      end(isKnown ? error.exitCode : EXIT.failed);
    });
  });
}

main();
