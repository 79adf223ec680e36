/** `npm run lost-master`: how long a cluster is without a master when it loses the one it has. */
import { Command } from 'commander';
import { parseArguments, runProgram, wholeNumber } from '../node/program.ts';
import { LOSSES, type Loss, masterlessMs } from '../simulation/lost-master.ts';

const SERVERS = [3, 4, 5];
const COLUMN = 14;

/** The shortest and the longest time in so many runs, in seconds. */
function measure(loss: Loss, servers: number, runs: number): string {
  const times = Array.from({ length: runs }, (_, index) => masterlessMs(loss, servers, index + 1));
  if (times.includes(Number.POSITIVE_INFINITY)) return 'stays master';
  return [Math.min(...times), Math.max(...times)].map((ms) => (ms / 1_000).toFixed(1)).join(' - ');
}

await runProgram(async (args) => {
  const command = new Command('npm run lost-master --')
    .description('Measures, in the virtual world, how long nobody is master after one is lost.')
    .option('--runs <N>', 'runs of each kind', '100');
  parseArguments(command, args);
  const runs = wholeNumber('--runs', command.opts()['runs'], 1, 10_000);

  const widest = Math.max(...LOSSES.map(({ length }) => length));
  const row = (name: string, cells: readonly string[]) =>
    name.padEnd(widest) + cells.map((cell) => cell.padStart(COLUMN)).join('');
  console.log(
    row(
      'seconds without a master, if',
      SERVERS.map((servers) => `${servers} servers`),
    ),
  );
  for (const loss of LOSSES) {
    console.log(
      row(
        loss,
        SERVERS.map((servers) => measure(loss, servers, runs)),
      ),
    );
  }
});
