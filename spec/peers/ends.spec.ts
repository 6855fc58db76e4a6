import { sideBySide } from './run.js';
import { ENDS } from './cases/ends.js';

sideBySide('ends', ENDS);
