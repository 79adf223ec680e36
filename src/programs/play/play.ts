/** `npm run play`: the playground in a browser, or as a file. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Command } from 'commander';
import { describe, Failure } from '../../node/failure.ts';
import { parseArguments, runProgram, wholeNumber } from '../../node/program.ts';
import { printable } from '../../trace/printable.ts';
import { buildPlayground } from './build.ts';

const HELP = `
The page needs no server: the file that --output writes works from the disk, without a network.

Examples:
  npm run play
  npm run play -- --port 8080
  npm run play -- --output playground.html`;

const LOOPBACK = '127.0.0.1';

await runProgram(async (args) => {
  const command = new Command('play')
    .description('Plays Paxos in the browser, a step at a time, forwards and backwards.')
    .option('-o, --output <FILE>', 'writes the page to a file instead of serving it')
    .option('--port <NUMBER>', 'where to serve it; 0: any port that is free', '0')
    .addHelpText('after', HELP);
  parseArguments(command, args);
  const { output, port } = command.opts<{ output?: string; port: string }>();
  const number = wholeNumber('--port', port, 0, 65_535);
  const page = await buildPlayground();
  if (output !== undefined) return write(output, page);
  await serve(page, number);
});

function write(output: string, page: string): void {
  try {
    writeFileSync(output, page);
  } catch (error) {
    throw new Failure(`the playground ${output} cannot be written: ${describe(error)}`);
  }
  console.log(printable(`the playground is in ${output}: ${Math.round(page.length / 1_000)} kB`));
}

async function serve(page: string, port: number): Promise<void> {
  const server = createServer((request, response) => {
    const isPage = request.method === 'GET' && /^\/(?:\?.*)?$/.test(request.url ?? '');
    const headers = { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' };
    response.writeHead(isPage ? 200 : 404, headers).end(isPage ? page : 'there is nothing here');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(new Failure(`the playground cannot be served at port ${port}: ${describe(error)}`));
    });
    server.listen(port, LOOPBACK, resolve);
  });
  const address = server.address() as AddressInfo;
  console.log(`the playground is at http://${LOOPBACK}:${address.port}/ (Ctrl-C ends it)`);
  process.once('SIGINT', () => {
    server.close();
    server.closeAllConnections();
  });
}
