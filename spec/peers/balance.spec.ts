import { sideBySide } from '../support/peers-run.js';
import { BALANCE } from './cases/balance.js';

sideBySide('balance', BALANCE);
