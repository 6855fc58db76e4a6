import { sideBySide } from './run.js';
import { BALANCE } from './cases/balance.js';

sideBySide('balance', BALANCE);
