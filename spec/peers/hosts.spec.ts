import { sideBySide } from '../support/peers-run.js';
import { HOSTS } from './cases/hosts.js';

sideBySide('hosts', HOSTS);
