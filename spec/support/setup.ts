// Runs in each worker before its spec file.
import { useOwnEnvironment } from './environment.js';
import { startWatchdog } from './watchdog.js';

useOwnEnvironment();
startWatchdog();
