import { sideBySide } from '../support/peers-run.js';
import { ENDS } from './cases/ends.js';

sideBySide('ends', ENDS);
