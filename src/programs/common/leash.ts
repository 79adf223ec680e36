/**
 * Loaded into a process before its program: it ends in good order when whoever started it is gone,
 * even if he was killed and could not say so. Then its standard input ends.
 */
process.stdin.once('close', () => process.kill(process.pid, 'SIGTERM'));
process.stdin.on('error', () => {});
process.stdin.resume();
const { unref } = process.stdin as { unref?: () => unknown };
unref?.call(process.stdin);
