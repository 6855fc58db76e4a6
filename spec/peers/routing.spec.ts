import { sideBySide } from '../support/peers-run.js';
import { ROUTING } from './cases/routing.js';

sideBySide('routing', ROUTING);
