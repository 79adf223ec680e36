/**
 * What the book shows is true: README.adoc, and the chapters of that name in the folders. Their
 * listings stand in the files that they name, their tables are those of the code, their commands
 * are run, or at least known, their links lead somewhere, and the layers that they invent work.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { format, promisify } from 'node:util';
import { convert, LoggerManager, MemoryLogger } from '@asciidoctor/core';
import type { Link } from '../src/chain.ts';
import {
  Acceptor,
  Learner,
  PaxosInstance,
  type PromiseMessage,
  Proposer,
  type Uid,
} from '../src/composable-paxos.ts';
import { MAX_VALUE_BYTES, type StatusReply } from '../src/messages.ts';
import { GOALS } from '../src/playground/goals.ts';
import { type Figures, report, tableOf } from '../src/programs/bench/report.ts';
import { sayStatusLine } from '../src/programs/client/words.ts';
import { ReplicatedValue } from '../src/replicated-value.ts';
import { JOURNAL_BREAKS } from '../src/simulation/broken/journals.ts';
import { BREAKS, withRules } from '../src/simulation/broken/layers.ts';
import { LOCK_BREAKS } from '../src/simulation/broken/locks.ts';
import { MEMBERS_BREAKS } from '../src/simulation/broken/members.ts';
import { SOUND } from '../src/simulation/broken/roles.ts';
import { STORE_BREAKS } from '../src/simulation/broken/stores.ts';
import type { ReplicaClass } from '../src/simulation/machine.ts';
import { MyLayer } from '../src/simulation/my-layer.ts';
import { FAIR_WEATHER } from '../src/simulation/network.ts';
import { MasterReplica, PlainReplica } from '../src/simulation/replicas.ts';
import { run as simulate } from '../src/simulation/run.ts';
import { drawSchedule, FAULTS, type Fault } from '../src/simulation/schedule.ts';
import { World } from '../src/simulation/world.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { wrongInEvent } from '../src/trace/guards.ts';
import { INVARIANTS } from '../src/trace/invariants.ts';
import { formatLinesOfLayers } from '../src/trace/line.ts';
import { STORY_NAMES } from './drawn-runs.ts';
import {
  type Cluster,
  type Exit,
  Program,
  prepareCluster,
  run,
  startCluster,
  temporaryDirectory,
} from './processes.ts';

const PROJECT = join(import.meta.dirname, '..');
const textOf = (path: string) => readFileSync(join(PROJECT, path), 'utf8');
/** The front door, and a chapter in each folder that has one. */
const CHAPTERS = ['README.adoc', ...chaptersBelow('src'), ...chaptersBelow('test')];
const BOOK = CHAPTERS.map(textOf).join('\n');
const SCRIPTS: Readonly<Record<string, string>> = JSON.parse(textOf('package.json')).scripts;

/** What stands for something that is left out. */
const ELISION = '…';
const TERMINAL_LINE = /^[0-9]{2}:[0-9]{2}\.[0-9]{3} [A-Z] /;

/** A listing: its language, its title, the section in which it stands, and its text. */
interface Listing {
  readonly language: string;
  readonly title: string;
  readonly section: string;
  readonly text: string;
}

const LISTINGS = CHAPTERS.flatMap((chapter) => listingsOf(textOf(chapter).split('\n')));
const PROSE = CHAPTERS.map((chapter) => proseOf(textOf(chapter).split('\n'))).join('\n');
/** What the prose shows in the letters of code, without the marks of AsciiDoc. */
const QUOTES = [...PROSE.matchAll(/`\+(.+?)\+`|`([^`]+)`/g)].map(([, a, b]) => a ?? b ?? '');

function chaptersBelow(directory: string): string[] {
  const paths = readdirSync(join(PROJECT, directory), { recursive: true, encoding: 'utf8' });
  const chapters = paths.filter((path) => path.endsWith('.adoc')).toSorted();
  return chapters.map((path) => join(directory, path));
}

function listingsOf(lines: readonly string[]): Listing[] {
  const listings: Listing[] = [];
  let [title, language, section] = ['', '', ''];
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (/^-{4,}$/.test(line)) {
      const end = lines.indexOf(line, index + 1);
      const text = lines.slice(index + 1, end).join('\n');
      listings.push({ language, title, section, text });
      index = end;
    }
    section = /^=+ (.+)/.exec(line)?.[1] ?? section;
    title = /^\.([^. ].*)/.exec(line)?.[1] ?? (line === '' ? '' : title);
    language = /^\[source,(\w+)\]/.exec(line)?.[1] ?? (line === '' ? '' : language);
  }
  return listings;
}

function proseOf(lines: readonly string[]): string {
  let fence = '';
  const prose = lines.filter((line) => {
    const isFence = /^-{4,}$/.test(line) && (fence === '' || fence === line);
    if (isFence) fence = fence === '' ? line : '';
    return !isFence && fence === '';
  });
  return prose.join('\n');
}

/** The parts of a listing between elisions, each with its own indentation. */
function partsOf({ text }: Pick<Listing, 'text'>): string[] {
  const parts = text.split(new RegExp(`^ *${ELISION}$`, 'm'));
  return parts.map((part) => part.replace(/^\n+/, '').trimEnd()).filter((part) => part !== '');
}

/** Asserts that the parts stand in the text, in this order, as whole lines. */
function assertContains(text: string, parts: readonly string[], where: string): void {
  let from = 0;
  for (const part of parts) {
    const at = `\n${text}\n`.indexOf(`\n${part}\n`, from);
    assert.notEqual(at, -1, `${where} does not contain\n${part}`);
    from = at + 1;
  }
}

test('this test sees the chapters and their listings', () => {
  assert.ok(CHAPTERS.length >= 8);
  const languages = new Map<string, number>();
  for (const { language } of LISTINGS) {
    languages.set(language, (languages.get(language) ?? 0) + 1);
  }
  assert.deepEqual([...languages.keys()].sort(), ['console', 'text', 'ts']);
  assert.ok((languages.get('ts') ?? 0) > 10 && (languages.get('console') ?? 0) > 10);
  assert.ok(QUOTES.length > 100);
});

test('the front door is no longer than can be read in half an hour', () => {
  assert.ok(textOf('README.adoc').split('\n').length <= 600);
});

/** How a chapter is turned into a page: by Asciidoctor itself, and by a code host. */
const HOSTS = {
  Asciidoctor: { safe: 'safe', standalone: true, attributes: {} },
  'a code host': {
    safe: 'secure',
    standalone: false,
    attributes: { showtitle: '', idprefix: '', idseparator: '-', 'env-github': '' },
  },
} as const;

for (const [host, options] of Object.entries(HOSTS)) {
  test(`${host} has nothing to say against it, and all links lead somewhere`, async () => {
    const log = MemoryLogger.create();
    LoggerManager.logger = log;
    const pages = new Map<string, string>();
    for (const chapter of CHAPTERS) {
      pages.set(chapter, String(await convert(textOf(chapter), options)));
    }
    const said = log.getMessages().map((said) => `${said.getSeverity()} ${said.getText()}`);
    assert.deepEqual(said, []);

    for (const [chapter, page] of pages) {
      const ids = new Set(namesIn(page, 'id'));
      assert.equal(ids.size, namesIn(page, 'id').length, `${chapter} has an id twice`);
      const links = namesIn(page, 'href').filter((link) => !/^https?:/.test(link));
      for (const link of links) {
        const [path = '', id = ''] = link.split('#');
        const file = path === '' ? chapter : normalize(join(dirname(chapter), path));
        assert.ok(existsSync(join(PROJECT, file)), `${chapter}: ${link}`);
        const there = namesIn(pages.get(file) ?? '', 'id');
        assert.ok(id === '' || there.includes(id), `${chapter}: ${link}`);
      }
      const isFrontDoor = chapter === 'README.adoc';
      for (const other of isFrontDoor ? CHAPTERS.slice(1) : ['README.adoc']) {
        const isIt = (link: string) => normalize(join(dirname(chapter), link)) === other;
        assert.ok(links.some(isIt), `${chapter} has no link to ${other}`);
      }
    }
  });
}

/** The values of all attributes of this name on a page. */
function namesIn(page: string, attribute: string): string[] {
  const found = page.matchAll(new RegExp(` ${attribute}="([^"]*)"`, 'g'));
  return [...found].map(([, name = '']) => name);
}

test('every section has a name of its own, which no host makes up', () => {
  for (const chapter of CHAPTERS) {
    const lines = proseOf(textOf(chapter).split('\n')).split('\n');
    for (const [index, line] of lines.entries()) {
      if (!/^={2,} \S/.test(line)) continue;
      assert.match(lines[index - 1] ?? '', /^\[#[a-z][a-z-]*\]$/, `${chapter}: ${line}`);
    }
  }
});

// Listings, tables and names.

const OWN_FILES = LISTINGS.filter(({ title }) => title.startsWith('A new file: '));
const OWN_NAMES = OWN_FILES.map(nameOfOwn);
const OWN_TITLES = ['A change of server.ts', 'This does not compile'];

function nameOfOwn({ title }: Listing): string {
  return title.replace('A new file: ', '');
}

function named(title: string): string {
  const found = LISTINGS.find((listing) => listing.title === title);
  if (found === undefined) throw new Error(`the book has no listing "${title}"`);
  return found.text;
}

test('listings stand in the files that they name', () => {
  for (const listing of LISTINGS) {
    const { language, title } = listing;
    if (existsSync(join(PROJECT, title)) && title !== '') {
      assertContains(textOf(title), partsOf(listing), title);
      continue;
    }
    const isOwn = OWN_FILES.includes(listing) || OWN_TITLES.includes(title);
    assert.ok(language !== 'ts' || isOwn, `this listing names no file: ${title}`);
  }
});

/** The rows of the table below this heading. */
function tableBelow(heading: string): string[][] {
  const [, rest = ''] = PROSE.split(new RegExp(`\n=+ ${heading}\n`));
  const [, table = ''] = rest.split('\n|===\n');
  const rows = table.split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(1).map((row) => row.slice(2).split(' | '));
}

/** A picture follows its reader into the dark where a host lets it, and is light elsewhere. */
function pictureOf(path: string, words: string): string {
  const dark = path.replace('-light.', '-dark.');
  const source = `<source media="(prefers-color-scheme: dark)" srcset="${dark}">`;
  const picture = `<picture>${source}<img src="${path}" alt="${words}"></picture>`;
  const onHost = ['ifdef::env-github[]', '++++', picture, '++++', 'endif::[]'];
  return [...onHost, `ifndef::env-github[image::${path}["${words}"]]`].join('\n');
}

test('the pictures are kept up to date, in light and dark, and say in words what they show', () => {
  const images = CHAPTERS.flatMap((chapter) => {
    const text = textOf(chapter);
    const found = [...text.matchAll(/^ifndef::env-github\[image::(\S+?)\["([^"]*)"\]\]$/gm)];
    return found.map(([, shown = '', words = '']) => {
      assert.ok(text.includes(`\n${pictureOf(shown, words)}\n`), `${chapter}: ${shown}`);
      return { path: normalize(join(dirname(chapter), shown)), words };
    });
  });
  assert.equal(images.length, BOOK.match(/image::?/g)?.length);
  assert.equal(images.length, BOOK.match(/<picture>/g)?.length);
  const figures = readdirSync(join(PROJECT, 'test/pictures')).map(
    (name) => `test/pictures/${name}`,
  );
  const stories = STORY_NAMES.map((name) => `test/diagrams/${name}-light.svg`);
  // What a browser shows is not drawn byte by byte: this one is a photograph.
  const kept = [...stories, ...figures, 'src/playground/playground-light.png'];
  for (const { path, words } of images) {
    assert.ok(kept.includes(path) && existsSync(join(PROJECT, path)), path);
    assert.ok(existsSync(join(PROJECT, path.replace('-light.', '-dark.'))), path);
    assert.match(words, /^(?:Space-time diagram|Figure|Screenshot): .{10,}$/, path);
  }
  assert.ok(images.length > 10);
});

test('the tables are those of the code', () => {
  assert.deepEqual(
    tableBelow('The twelve invariants'),
    INVARIANTS.map(({ number, name, sentence }) => [`${number}`, name, sentence]),
  );
  assert.deepEqual(
    tableBelow('Broken on purpose'),
    BREAKS.map(({ name, breaks, invariants }) => [`\`${name}\``, breaks, invariants.join(', ')]),
  );
  assert.deepEqual(
    tableBelow('Journals in the simulator'),
    JOURNAL_BREAKS.map(({ name, breaks, invariants }) => {
      return [`\`${name}\``, breaks, invariants.join(', ')];
    }),
  );
  assert.deepEqual(
    tableBelow('In the simulator'),
    STORE_BREAKS.map(({ name, breaks, invariants }) => {
      return [`\`${name}\``, breaks, invariants.join(', ')];
    }),
  );
});

test('the table of broken locks is that of the code', () => {
  assert.deepEqual(
    tableBelow('Locks in the simulator'),
    LOCK_BREAKS.map(({ name, breaks, invariants }) => {
      return [`\`${name}\``, breaks, invariants.join(', ')];
    }),
  );
});

test('the table of broken members is that of the code', () => {
  assert.deepEqual(
    tableBelow('Members in the simulator'),
    MEMBERS_BREAKS.map(({ name, breaks, invariants }) => {
      return [`\`${name}\``, breaks, invariants.join(', ')];
    }),
  );
});

test('the house has these folders, and a line for each', () => {
  const path: string[] = [];
  const shown = named('The folders')
    .split('\n')
    .map((line) => {
      const [, indent = '', name = ''] = /^( *)(\w+)\/ +\w/.exec(line) ?? assert.fail(line);
      path.splice(indent.length / 2, path.length, name);
      return path.join('/');
    });
  const foldersBelow = (folder: string): string[] => {
    const entries = readdirSync(join(PROJECT, folder), { withFileTypes: true });
    const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    return [folder, ...names.toSorted().flatMap((name) => foldersBelow(`${folder}/${name}`))];
  };
  assert.deepEqual(shown, [...foldersBelow('src'), ...foldersBelow('test')]);
});

test('the way through the files names each file of the reading path, and its class', () => {
  const rows = tableBelow('The way through the files');
  const files = rows.flatMap(([files = '']) => files.match(/[\w./-]+\.ts/g) ?? []);
  const path = readdirSync(join(PROJECT, 'src')).filter((name) => name.endsWith('.ts'));
  assert.deepEqual(files.toSorted(), ['../server.ts', ...path].toSorted());
  for (const [file = '', name = ''] of rows) {
    const [, code] = /^`(\w+)`$/.exec(name) ?? [];
    const source = textOf(join('src', file.replaceAll('`', '').split(', ')[0] ?? ''));
    if (code !== undefined) assert.match(source, new RegExp(`\\b(?:class|function) ${code}\\b`));
  }
  const headings = BOOK.match(/^== .*\.ts.*\?$/gm) ?? [];
  const places = headings.map((heading) =>
    rows.findIndex(([file = '']) => {
      const [first = ''] = file.replaceAll('`', '').replace('../', '').split(', ');
      return heading.includes(first);
    }),
  );
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
    'chapter and table go the same way',
  );
  assert.ok(places.length > 8 && !places.includes(-1));
});

test('the way through the files of part II names each of them', () => {
  const [, chapter = ''] = textOf('src/log/README.adoc').split('\n== The way through the files\n');
  const [, table = ''] = chapter.split('\n|===\n');
  const shown = table.match(/(?<=`)[a-z-]+\.ts(?=`)/g) ?? [];
  const files = readdirSync(join(PROJECT, 'src/log')).filter((name) => name.endsWith('.ts'));
  assert.deepEqual(shown.toSorted(), files.toSorted());
});

test('addresses of the playground name goals, rules and stories that there are', () => {
  const names = {
    goal: GOALS.map(({ name }) => name),
    break: [...BREAKS, ...STORE_BREAKS].map(({ name }) => name),
    at: STORY_NAMES,
  };
  let seen = 0;
  for (const quote of QUOTES) {
    const [, kind = '', name = ''] = /^#(goal|break|at)=([a-z0-9-]+)/.exec(quote) ?? [];
    if (kind === '') continue;
    assert.ok(names[kind as keyof typeof names].includes(name), quote);
    seen += 1;
  }
  assert.ok(seen > 10);
});

test('the table of programs is that of package.json', () => {
  const shown = tableBelow('What there is to run').map(([name = '']) => name.replaceAll('`', ''));
  const known = Object.keys(SCRIPTS).filter((name) => !name.startsWith('pre'));
  assert.deepEqual(shown.toSorted(), known.toSorted());
});

test('the turn that is shown consists of events', () => {
  const lines = named('A turn in a trace').split('\n');
  const events = lines.map((line): TraceEvent => {
    assert.equal(wrongInEvent(JSON.parse(line)), null, line);
    return JSON.parse(line);
  });
  assert.equal(new Set(events.map(({ server, turn }) => `${server} ${turn}`)).size, 1);
});

test('files, names and references exist', () => {
  const paths = PROSE.match(/\b(?:src|test)\/[\w./-]*[\w/]/g) ?? [];
  for (const path of paths) assert.ok(existsSync(join(PROJECT, path)), path);
  assert.ok(paths.length > 20);

  const isSource = (name: string) => name.endsWith('.ts');
  const all = readdirSync(join(PROJECT, 'src'), { recursive: true, encoding: 'utf8' });
  const files = [...readdirSync(PROJECT), ...all.map((name) => join('src', name))];
  const sources = [...files.filter(isSource), 'tsconfig.json', 'tsconfig.build.json'].map(textOf);
  const code = [...sources, ...OWN_FILES.map(({ text }) => text)].join('\n');
  const names = QUOTES.filter((quote) => /^#?(?:[a-z]+[A-Z]\w*|[A-Z]+[a-z]\w*)$/.test(quote));
  for (const name of names) assert.ok(code.includes(name), name);
  assert.ok(names.length > 5);
});

/** The files of the layers, from the outside in, and what they surround. */
const OUTSIDE_IN = [
  'client-answers',
  'rejoin-strategy',
  'master-strategy',
  'update-queue',
  'resolution-strategy',
  'sync-strategy',
  'replicated-value',
  'composable-paxos',
];

test('the words of the loop are methods of the files beside them, and of no other layer', () => {
  for (const line of named('The loop').split('\n')) {
    const [, word = '', files = ''] = /^[┌│└ ][►─ ] (\w+) .* {2,}(\S.*)$/.exec(line) ?? [];
    if (word === '') continue;
    const layers = OUTSIDE_IN.slice(0, -2);
    const homes = files === 'all layers' ? layers : files.split(', ');
    const overriding = layers.filter((file) =>
      new RegExp(`^ +(?:protected )?(?:override )?${word}\\(.*\\{$`, 'm').test(
        textOf(`src/${file}.ts`),
      ),
    );
    assert.deepEqual(
      homes.filter((file) => layers.includes(file)),
      overriding,
      line,
    );
    assert.deepEqual(
      homes,
      OUTSIDE_IN.filter((file) => homes.includes(file)),
      line,
    );
    for (const file of homes) {
      assert.match(textOf(`src/${file}.ts`), new RegExp(`^ +(?:\\w+ )*${word}\\(`, 'm'), line);
    }
  }
});

test('numbers in the prose are those of the code', () => {
  assert.ok(PROSE.includes(`at most ${MAX_VALUE_BYTES.toLocaleString('en')} bytes`));
});

test('no command turns into typography', () => {
  for (const [, quote = ''] of PROSE.matchAll(/(?<!\+)`([^`+]+)`/g)) {
    assert.doesNotMatch(quote, / -- |->/, `needs marks like this: \`+${quote}+\``);
  }
});

test('the book speaks of no machine but its own', () => {
  assert.doesNotMatch(BOOK, /\/(?:work|root|tmp|home|Users)\//);
});

// Commands.

interface Command {
  /** A file of this project, or null for a command of npm or of the system. */
  readonly file: string | null;
  readonly args: readonly string[];
}

const SYSTEM_COMMANDS = [
  'npm ci',
  'npm test',
  'npm run test:long',
  'npm run',
  'npm pack',
  'npm install',
  'rm -r state',
  'rm state/B.json',
  'rm state/B.mark',
  "pkill -9 -xf 'node --import tsx server.ts B'",
  '(umask 077; openssl rand -hex 32 > ~/paxos.key)',
  '(umask 077; openssl rand -hex 32 > ~/paxos.token)',
  `echo '{"A":"127.0.0.1:1234"}' > one.json`,
];

/** The commands of a listing: the lines that begin with `$`. */
function commandsIn({ text }: Listing): string[] {
  return text.split('\n').flatMap((line) => (line.startsWith('$ ') ? [line.slice(2)] : []));
}

const CONSOLES = LISTINGS.filter(({ language }) => language === 'console');
const COMMANDS = [
  ...CONSOLES.flatMap(commandsIn),
  ...QUOTES.filter((quote) => /^(?:npm|npx|node|pkill|rm) /.test(quote)),
];

/** Understands a command line of the book. Throws if it is of no known kind. */
function parse(line: string): Command {
  if (SYSTEM_COMMANDS.includes(line)) return { file: null, args: [] };
  const words = line.match(/"[^"]*"|\S+/g)?.map((word) => word.replaceAll('"', '')) ?? [];
  if (words[0] === 'curl') return { file: null, args: [] }; // what it prints: `http-programs`
  const [first, second, third, ...rest] = words.filter((word) => !/^[A-Z]+=/.test(word));
  if (first === 'npm' && second === 'run') {
    const script = SCRIPTS[third ?? ''];
    assert.ok(script !== undefined, `package.json has no script ${third}`);
    assert.ok(rest.length === 0 || rest[0] === '--', `npm would swallow the options: ${line}`);
    return { file: /[\w/.-]+\.ts$/.exec(script)?.[0] ?? null, args: rest.slice(1) };
  }
  if (first === 'npx' && second === 'tsx') return { file: third ?? '', args: rest };
  if (first === 'node' && second === '--import' && third === 'tsx') {
    const [option, ...others] = rest;
    const [file = '', ...args] = option === '--test' ? others : rest;
    return { file, args };
  }
  throw new Error(`what is this command? ${line}`);
}

/** The options that a program knows, by what its help says. */
async function optionsOf(file: string): Promise<string[]> {
  const { code, stdout } = await run(file, '--help');
  assert.equal(code, 0, file);
  const [, options = ''] = stdout.split('\nOptions:\n');
  return options.match(/(?<=^ {2}.*)(?:--[\w-]+|-v\b)/gm) ?? [];
}

test('every command is known, and so are its options', async () => {
  const commands = COMMANDS.map(parse);
  const files = commands.flatMap(({ file }) => (file === null ? [] : [file]));
  const isProgram = (file: string) => !file.startsWith('test/') && !OWN_NAMES.includes(file);
  const programs = [...new Set(files)].filter(isProgram);
  assert.ok(programs.includes('server.ts') && programs.includes('src/programs/simulate.ts'));
  const known = new Map(
    await Promise.all(programs.map(async (file) => [file, await optionsOf(file)] as const)),
  );
  for (const { file, args } of commands) {
    if (file === null || OWN_NAMES.includes(file)) continue;
    assert.ok(existsSync(join(PROJECT, file)), file);
    // What stands behind -- is a command by itself.
    const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
    for (const option of own.filter((arg) => arg.startsWith('-'))) {
      assert.ok(known.get(file)?.includes(option), `${file} has no option ${option}`);
    }
  }

  const options = [...known.values()].flat();
  for (const quote of QUOTES.filter((text) => /^--?[a-z]/.test(text))) {
    for (const option of quote.match(/(?<=^| )--?[a-z][\w-]*/g) ?? []) {
      assert.ok(options.includes(option), `nothing has the option ${option}`);
    }
  }
  const named = QUOTES.flatMap((quote) => /--break ([a-z-]+)/.exec(quote)?.[1] ?? []);
  for (const name of named)
    assert.ok(
      [...BREAKS, ...STORE_BREAKS, ...LOCK_BREAKS, ...JOURNAL_BREAKS, ...MEMBERS_BREAKS].some(
        (known) => known.name === name,
      ),
      name,
    );
});

/** What the book shows below a command, in this section or the first: parts between elisions. */
function shownBelow(command: string, within?: string): string[] {
  const listing = CONSOLES.find((candidate) => {
    const isThere = within === undefined || candidate.section === within;
    return isThere && commandsIn(candidate).includes(command);
  });
  if (listing === undefined) throw new Error(`the book does not show ${command}`);
  const [, after = ''] = `${listing.text}\n`.split(`$ ${command}\n`);
  const [text = ''] = after.split(/^\$ /m);
  return partsOf({ text });
}

/** Two runs of the same command differ in these figures. */
function withoutFigures(text: string): string {
  return text.replaceAll(/[0-9][0-9,.]*/g, '0').replaceAll(/ +/g, ' ');
}

/** Without the figures that depend on how many seeds there are; how many situations does not. */
function withoutCounts(text: string): string {
  const [, all = ''] = / of ([0-9]+) situations/.exec(text) ?? [];
  return withoutFigures(text).replace(' of 0 situations', ` of ${all} situations`);
}

for (const cluster of ['3', '5', '3 --master', '5 --master']) {
  test(`npm run simulate -- --servers ${cluster} says so`, async () => {
    const seeds = 1_000;
    const command = `npm run simulate -- --seeds 1-${seeds} --servers ${cluster} -v`;
    const fewer = parse(command.replace(`1-${seeds}`, '1-10'));
    const { code, stdout } = await run(fewer.file ?? '', ...fewer.args);
    assert.equal(code, 0);
    const shown = shownBelow(command);
    assert.ok(shown[0]?.includes(`\n${seeds} seeds, no violation: `));
    // So few seeds cannot go everywhere so often, and say so.
    const often = ' reached at least 100 times';
    const few = ' reached; more seeds reach more, and more often';
    assert.ok(shown.at(-1)?.endsWith(` situations${often}`));
    const asFew = shown.map((part) => withoutCounts(part.replace(often, few)));
    assertContains(withoutCounts(stdout), asFew, command);
  });
}

test('npm run simulate -- --break says so', async (t) => {
  const command = 'npm run simulate -- --break lease-from-attempt --faults cuts';
  const { file, args } = parse(command);
  const trace = join(temporaryDirectory(t), 'violation.ndjson');
  const { code, stdout } = await run(file ?? '', ...args, '--trace', trace);
  assert.equal(code, 1);
  assertContains(stdout, shownBelow(command), command);
});

test('npm run explore -- --break says so', async () => {
  const command = 'npm run explore -- --break forgotten-promise --invariant 1';
  const { file, args } = parse(command);
  const { code, stdout } = await run(file ?? '', ...args);
  assert.equal(code, 1);
  assertContains(stdout, shownBelow(command), command);
});

for (const command of ['npm run explore', 'npm run explore -- --deviations 1']) {
  test(`${command} says so`, async () => {
    const { file, args } = parse(command);
    const { code, stdout } = await run(file ?? '', ...args);
    assert.equal(code, 0);
    const withoutTimes = (text: string) =>
      text.replaceAll(/[0-9.]+ s\b|[0-9,]+(?= states\/s)/g, '0');
    assert.deepEqual(shownBelow(command).map(withoutTimes), [withoutTimes(stdout.trimEnd())]);
  });
}

test('each exercise says how long it takes and how hard it is, and has an answer', () => {
  const exercises = PROSE.split(/^\*Exercise:\* /m).slice(1);
  assert.ok(exercises.length > 10);
  for (const exercise of exercises) {
    assert.match(exercise, /^_\([0-9]+ minutes, (?:easy|middling|hard)\)_ /);
    assert.match(exercise, /\n\.Answer\n\[%collapsible\]\n====\n[^*]/, exercise);
  }
});

test('the answers to the exercises are right', async () => {
  const command = 'npm run explore -- --break save-after-sending --invariant 1';
  assert.ok(QUOTES.includes(command));
  const { file, args } = parse(command);
  const { stdout } = await run(file ?? '', ...args);
  assert.match(stdout, /violates invariant 1, .*a shortest schedule, 8 steps:/s);
  assert.match(stdout, /C crashes and restarts/);

  const { args: options } = parse(QUOTES.find((quote) => quote.includes('--faults dupl')) ?? '');
  const names = options[options.indexOf('--faults') + 1]?.split(',') ?? [];
  const faults = FAULTS.filter((fault) => names.includes(fault));
  assert.equal(faults.length, names.length);
  const seedOf = (servers: number) => firstSeedThatFails(servers, faults, CountsCopies);
  assert.equal(seedOf(3), null);
  assert.notEqual(seedOf(5), null);
});

/** Takes the second copy of a promise for the promise of one more server. */
class CountsCopies extends Proposer<Link> {
  override receivePromise(from: Uid, message: PromiseMessage<Link>): boolean {
    const isCopy = this.state.promisesFrom.includes(from);
    return super.receivePromise(isCopy ? `copy of ${from}` : from, message);
  }
}

/** Of the seeds that `npm run simulate` tries; null if all is well. */
function firstSeedThatFails(
  servers: number,
  faults: readonly Fault[],
  Wrong: typeof CountsCopies,
): number | null {
  const broken = withRules(PlainReplica, {
    ...SOUND,
    createInstance: (uid, quorum, restored) =>
      new PaxosInstance(
        new Wrong(uid, quorum, restored.promisedId),
        new Acceptor(restored),
        new Learner(quorum),
      ),
  });
  for (let seed = 1; seed <= 200; seed += 1) {
    const schedule = drawSchedule(seed, servers, 60, faults);
    const { violation } = simulate(schedule, { leases: false, broken: () => broken });
    if (violation !== null) return seed;
  }
  return null;
}

test('something happens in the run that is drawn', () => {
  const command = COMMANDS.find((line) => line.endsWith('--diagram run.html')) ?? '';
  const { args } = parse(command);
  const [seed = 0, seconds = 0] = ['--seed', '--seconds'].map((option) => {
    return Number(args[args.indexOf(option) + 1]);
  });
  const kinds = new Set<string>();
  const schedule = drawSchedule(seed, 3, seconds, null);
  simulate(schedule, { leases: args.includes('--master') }, ({ event }) => kinds.add(event));
  for (const kind of ['crash', 'lost', 'lease', 'chosen'] as const) {
    assert.ok(kinds.has(kind), `${command}: choose a seed with a ${kind} in it`);
  }
});

// The session in three terminals, and the lines that servers print.

/** Does with a cluster what a command does with the servers of `config.ts`. */
async function obey(cluster: Cluster, command: string): Promise<void> {
  if (command.startsWith('pkill')) return cluster.server('B').kill();
  const { file, args } = parse(command);
  const [uid = '', value = ''] = args;
  if (file === 'server.ts') return cluster.server(uid).start();

  assert.equal((await cluster.client(uid, value)).code, 0);
  const running = cluster.servers.filter(({ wasStarted, program }) => {
    return wasStarted && !program.hasEnded;
  });
  await cluster.waitFor(`${value} everywhere`, () => {
    return running.every(({ state }) => state?.currentValue === value);
  });
}

test('the session in three terminals goes as told, and its traces pass the check', async (t) => {
  const cluster = await prepareCluster(t);
  const listings = CONSOLES.filter(({ section }) => section === 'In three terminals');
  const commands = listings.flatMap(commandsIn);
  assert.equal(commands.length, 7);
  for (const command of commands) await obey(cluster, command);

  await cluster.waitFor('B to catch up', () => cluster.agreesOn('without B'));
  const [a, b, c] = await Promise.all(cluster.servers.map((server) => server.interrupt()));
  assert.match(a?.stdout ?? '', /"hello" is CHOSEN/);
  assert.match(b?.stdout ?? '', /catch-up .*#3 {3}I jump to #3: "without B" is the value/);
  assert.match(c?.stdout ?? '', /"without B" is CHOSEN/);

  const traces = cluster.servers.map(({ traceFile }) => traceFile);
  const checked = await run(parse('npm run check').file ?? '', ...traces);
  const check = 'npm run check -- a.ndjson b.ndjson c.ndjson';
  const shown = shownBelow(check, 'Checking a run of your own');
  assert.deepEqual([withoutFigures(checked.stdout.trimEnd())], shown.map(withoutFigures));
});

/** Does what a section about a deleted state file says; returns what failed starts said. */
async function loseState(t: TestContext, section: string, checks: number): Promise<string[]> {
  const cluster = await prepareCluster(t);
  const traces = cluster.servers.map(({ traceFile }) => traceFile);
  const refusals: string[] = [];
  for (const command of CONSOLES.filter((it) => it.section === section).flatMap(commandsIn)) {
    const [, lost] = /^rm state\/(B\.\w+)$/.exec(command) ?? [];
    if (lost !== undefined) {
      const running = cluster.servers.filter((it) => it.wasStarted && !it.program.hasEnded);
      await Promise.all(running.map((server) => server.interrupt()));
      rmSync(join(cluster.stateDirectory, lost));
      continue;
    }
    const { file, args } = parse(command);
    if (file === 'server.ts') {
      const flags = args.filter((arg) => arg === '--rejoin');
      const refused = (error: Error) => refusals.push(error.message);
      const server = cluster.server(args[0] ?? '');
      await server.start(...flags).catch(refused);
      const isAlone = checks === 1 && server.uid === 'A' && cluster.server('C').wasStarted;
      if (isAlone) assert.match((await server.program.end()).stderr, /is not that of B and C in/);
      continue;
    }
    const isCheck = file !== 'client.ts';
    const asked = isCheck ? traces : [...args, '--cluster', cluster.clusterFile];
    const { code, stdout } = await run(file ?? '', ...asked);
    assert.equal(code, isCheck ? checks : 0, command);
    const said = stdout.trimEnd().replaceAll(/\S+\/(?=[ABC]\.ndjson)/g, '');
    const shown = shownBelow(command, section).join('\n').replace('b.ndjson', 'B.ndjson');
    assertContains(withoutFigures(said), [withoutFigures(shown)], command);
  }
  return refusals;
}

test('a state file that is deleted makes two values chosen, as told', async (t) => {
  const refusals = await loseState(t, 'A state file is deleted', 1);
  const said = refusals.map((text) => text.replace(/^B ended with 1: /, '').trim());
  const [shown] = partsOf({ text: named('B without its memory') }).slice(-1);
  assert.deepEqual(
    said.map((text) => text.replace(/\/\S+(?=state\/B\.json)/, '')),
    [shown],
  );
});

test('a server that knows of its loss is no harm, as told', async (t) => {
  assert.deepEqual(await loseState(t, 'A state file is deleted, and its server knows', 0), []);
});

test('a client is answered as told', async (t) => {
  const cluster = await startCluster(t);
  const all = CONSOLES.filter(({ section }) => section === 'Answers').flatMap(commandsIn);
  const commands = all.filter((command) => !command.endsWith('--watch')); // it does not end
  assert.equal(commands.length, 4);
  for (const command of commands) {
    const { file, args } = parse(command);
    const { stdout } = await run(file ?? '', ...args, '--cluster', cluster.clusterFile);
    const shown = shownBelow(command).map(withoutFigures);
    assert.deepEqual([withoutFigures(stdout.trimEnd())], shown, command);
  }
});

/** A terminal line without what is different from run to run, and from server to server. */
function wordingOf(line: string): string {
  return line
    .replace(/^[0-9:.]+ /, '')
    .replaceAll(/"[^"]*"/g, 'VALUE')
    .replaceAll(/\b[A-Z]{1,3}\b/g, 'UID')
    .replaceAll(/[0-9]+/g, '0')
    .replaceAll(/ +/g, ' ');
}

test('servers do print such lines', async (t) => {
  const stories = readdirSync(join(PROJECT, 'test/stories')).map((name) => {
    return textOf(`test/stories/${name}`);
  });
  const said = [...stories, (await runOwnServer(t)).stdout].join('\n').split('\n');
  const wordings = new Set(said.filter((line) => TERMINAL_LINE.test(line)).map(wordingOf));
  const shown = LISTINGS.flatMap(({ text }) => text.split('\n')).filter((line) =>
    TERMINAL_LINE.test(line),
  );
  assert.ok(shown.length > 60);
  for (const line of shown) assert.ok(wordings.has(wordingOf(line)), line);
});

test('a start shows the layers that it has', () => {
  const replicas = textOf('server.ts') + named('A change of server.ts');
  const woven = replicas.match(/(?<=class \w+ extends )[\s\S]*?(?= \{\})/g) ?? [];
  const layers = woven.map((weave) => formatLinesOfLayers(weave.match(/\w+/g) ?? []).join('\n'));
  const starts = LISTINGS.flatMap(({ text }) => [...text.matchAll(/ start .*\n((?: {10}.*\n)+)/g)]);
  assert.ok(starts.length > 3);
  for (const [, shown = ''] of starts) assert.ok(layers.includes(shown.trimEnd()), shown);
});

test('the demo says so', () => {
  const source = textOf('src/programs/demo/demo.ts').replaceAll(/\s+/g, ' ');
  const shown = named('From the demo').split('\n');
  const its = shown.filter((line) => /^(?:==|--|All)/.test(line));
  assert.ok(its.length >= 4);
  for (const phrase of its.flatMap((line) =>
    line.split(/\b[A-C]\b|"[^"]*"|[0-9]+|\band\b|[;:,.=-]+/),
  )) {
    const words = phrase.trim();
    if (words.length > 3) assert.ok(source.includes(words), words);
  }
});

// The layers that the book invents.

/** The project as it is after the reader has added what the book says. */
function extendedProject(t: TestContext): string {
  const directory = temporaryDirectory(t);
  for (const name of ['src', 'node_modules']) {
    symlinkSync(join(PROJECT, name), join(directory, name));
  }
  for (const name of ['config.ts', 'tsconfig.json', 'package.json']) {
    writeFileSync(join(directory, name), textOf(name));
  }
  for (const listing of OWN_FILES) {
    writeFileSync(join(directory, nameOfOwn(listing)), `${listing.text}\n`);
  }
  const [imports = '', line = ''] = named('A change of server.ts').split('\n\n');
  const server = textOf('server.ts');
  const changed = server.replace(/^class PlainReplica [\s\S]*?\{\}$/m, line);
  assert.notEqual(changed, server);
  writeFileSync(join(directory, 'server.ts'), changed.replace(/^import/m, `${imports}\nimport`));
  return directory;
}

/** Runs the changed server, alone in its cluster, through what the book shows. */
async function runOwnServer(t: TestContext): Promise<Exit> {
  const cluster = await prepareCluster(t, { uids: ['A'] });
  const server = cluster.server('A');
  const program = new Program(join(extendedProject(t), 'server.ts'), server.commandLine());
  t.after(() => program.signal('SIGKILL'));
  await server.waitForEvent('its start', ({ event }) => event === 'start');
  await cluster.client('A', 'HELLO');
  await cluster.client('A', 'hello');
  await server.waitForEvent('its tally', (event) => {
    return event.event === 'timer' && event.why === 'updates so far: A 1';
  });
  program.signal('SIGINT');
  return program.end();
}

test('the layers of the book compile, and in a wrong order they do not', async (t) => {
  const directory = extendedProject(t);
  const wrong = named('This does not compile');
  const server = readFileSync(join(directory, 'server.ts'), 'utf8');
  const imports = server.match(/^import .*$/gm) ?? [];
  const needed = imports.filter((line) => wrong.includes(/\{ (\w+) \}/.exec(line)?.[1] ?? '?'));
  const expectation = '// @ts-expect-error the layers are in a wrong order';
  const lines = [...needed, '', expectation, wrong, 'export { Hasty };', ''];
  writeFileSync(join(directory, 'hasty.ts'), lines.join('\n'));
  const tsc = join(PROJECT, 'node_modules', '.bin', 'tsc');
  await promisify(execFile)(tsc, ['--project', directory]);
});

type OwnLayer<T = ReplicatedValue> = (
  Base: ReplicaClass,
) => new (
  ...args: ConstructorParameters<ReplicaClass>
) => T;

/** The layers of the book, as a function of their file and their name. */
function ownLayers(t: TestContext) {
  const directory = extendedProject(t);
  return async <T = ReplicatedValue>(
    file: string,
    name: string,
    change = '',
  ): Promise<OwnLayer<T>> => {
    const path = join(directory, file);
    const [before = '', after = ''] = change.split(' -> ');
    if (change !== '') writeFileSync(path, readFileSync(path, 'utf8').replace(before, after));
    return (await import(pathToFileURL(path).href))[name];
  };
}

/** A simulated cluster that runs, without faults but those that the test puts in. */
function runningWorld(replicaClass: ReplicaClass, servers = 3) {
  const events: TraceEvent[] = [];
  const world = new World({
    uids: ['A', 'B', 'C', 'D'].slice(0, servers),
    replicaClass,
    seed: 1,
    trace: (event) => events.push(event),
    wrong: (_invariant, why) => assert.fail(why),
  });
  for (const machine of world.machines.values()) machine.start();
  const valueAt = (uid: Uid) => world.machine(uid).replica?.chain.currentValue;
  return { world, events, valueAt };
}

test('the layers of the book do in the simulated world what they promise', async (t) => {
  const load = ownLayers(t);
  const [Tally, NoShouting] = [
    await load('tally.ts', 'Tally'),
    await load('no-shouting.ts', 'NoShouting'),
  ];
  const { world, events } = runningWorld(Tally(NoShouting(PlainReplica)));
  for (const value of ['one', 'TWO', 'three']) world.submit('A', value);
  world.submit('B', 'four');
  world.runUntil(6_000);

  const refused = events.filter((event) => event.event === 'update' && event.what === 'refused');
  assert.deepEqual(
    refused.map((event) => 'value' in event && event.value),
    ['TWO'],
  );
  const tallies = events.flatMap((event) => (event.event === 'timer' ? [event.why] : []));
  assert.deepEqual(
    tallies.filter((why) => why.startsWith('updates')),
    Array(3).fill('updates so far: A 2, B 1, C 0'),
  );

  world.machine('A').retire();
  world.runUntil(30_000);
  const ofA = events.filter(({ server }) => server === 'A').map(({ event }) => event);
  assert.equal(ofA.indexOf('stop'), ofA.length - 1);
});

test('--watch shows what is shown', () => {
  const shown = shownBelow('node --import tsx client.ts --watch').flatMap((part) =>
    part.split('\n'),
  );
  const reportOf = (uptimeMs: number, leaseLeftMs: number): StatusReply => ({
    type: 'status_report',
    requestId: '0123456789abcdef-1-1',
    instanceNumber: 3,
    value: 'hello',
    promisedId: null,
    acceptedId: null,
    hasLeases: true,
    master: 'C',
    leaseLeftMs,
    reign: { since: 1, forMs: 2_400 },
    waiting: 0,
    heardMs: {},
    log: null,
    uptimeMs,
  });
  const lines = [
    sayStatusLine(['A', reportOf(2_600, 0)], 80),
    sayStatusLine(['B', reportOf(3_100, 0)], 80),
    sayStatusLine(['C', reportOf(3_100, 6_000)], 80),
  ];
  assert.deepEqual(shown.slice(1), lines);
});

test('the queue of numbers prints what is shown', async (t) => {
  const printed: string[] = [];
  t.mock.method(console, 'log', (...words: unknown[]) => printed.push(format(...words)));
  await ownLayers(t)('numbers.ts', 'nothing of it');
  assert.deepEqual([printed.join('\n')], shownBelow('node --import tsx numbers.ts'));
});

test('the template has every hook, and changes nothing', () => {
  const methodsOf = (prototype: object) => {
    const properties = Object.entries(Object.getOwnPropertyDescriptors(prototype));
    return properties.flatMap(([name, { value }]) => (value === undefined ? [] : [name]));
  };
  const layers: object[] = [];
  for (let layer = MasterReplica.prototype; layer !== ReplicatedValue.prototype; ) {
    layer = Object.getPrototypeOf(layer);
    if (layer !== ReplicatedValue.prototype) layers.push(layer);
  }
  const ofTemplate = methodsOf(MyLayer(PlainReplica).prototype);
  const ofBase = methodsOf(ReplicatedValue.prototype);
  for (const hook of ofTemplate) assert.ok(ofBase.includes(hook), hook);
  assert.equal(layers.length, 6);
  for (const hook of layers.flatMap(methodsOf).filter((name) => ofBase.includes(name))) {
    assert.ok(ofTemplate.includes(hook), `the template lacks ${hook}`);
  }

  for (const leases of [false, true]) {
    const runWith = (layer: OwnLayer) => {
      const events: string[] = [];
      const schedule = drawSchedule(1, 3, 20, null);
      const said = ({ ...event }: TraceEvent) => {
        events.push(JSON.stringify(event.event === 'start' ? { ...event, layers: [] } : event));
      };
      simulate(schedule, { leases, broken: layer }, said);
      return events;
    };
    assert.deepEqual(
      runWith(MyLayer),
      runWith((right) => right),
    );
  }
});

test('the layer that keeps a log keeps it', async (t) => {
  interface Historian extends ReplicatedValue {
    readonly history: readonly (Link | null)[];
  }
  const History = await ownLayers(t)<Historian>('history.ts', 'History');
  const { world } = runningWorld(History(PlainReplica));
  world.submit('A', 'one');
  world.runUntil(500);
  world.machine('C').crash('now', false);
  world.submit('A', 'two');
  world.runUntil(1_000);
  world.machine('C').start();
  world.submit('B', 'three');
  world.runUntil(3_000);
  const historyOf = (uid: Uid) => {
    const { history } = world.machine(uid).replica as Historian;
    return history.map((link) => (link !== null && 'update' in link ? link.update : null));
  };
  assert.deepEqual(historyOf('A'), ['one', 'two', 'three']);
  assert.deepEqual([null, 'three'], historyOf('C').slice(-2));
});

test('the layer that makes servers silent is safe as long as they answer themselves', async (t) => {
  const file = 'silent.ts';
  const violationWith = (Silent: OwnLayer, seed: number) => {
    // With one silent server of three there is no other one to spare.
    const { faults } = drawSchedule(seed, 3, 30, null);
    const mix = faults.filter((fault) => fault !== 'bad minority' && fault !== 'lost disks');
    return simulate(drawSchedule(seed, 3, 30, mix), { leases: false, broken: Silent }).violation;
  };
  const Silent = await ownLayers(t)(file, 'Silent');
  for (let seed = 1; seed <= 20; seed += 1) assert.equal(violationWith(Silent, seed), null);

  const deaf = 'from === this.uid || !SILENT -> !SILENT';
  const Deaf = await ownLayers(t)(file, 'Silent', deaf);
  assert.equal(violationWith(Deaf, 1)?.invariant, 6);

  const Two = await ownLayers(t)(file, 'Silent', "['C'] -> ['B', 'C']");
  const { world, valueAt } = runningWorld(Two(PlainReplica));
  world.submit('A', 'of A');
  world.runUntil(20_000);
  assert.deepEqual(['A', 'B', 'C'].map(valueAt), [null, null, null]);
  world.submit('B', 'of B');
  world.runUntil(40_000);
  assert.deepEqual(['A', 'B', 'C'].map(valueAt), ['of B', 'of B', 'of B']);
});

test('the layer with other quorums lets a master of four go on with two', async (t) => {
  const Flexible = await ownLayers(t)('flexible.ts', 'Flexible');
  const survives = (replicaClass: ReplicaClass) => {
    const { world, valueAt } = runningWorld(replicaClass, 4);
    world.runUntil(3_000);
    const master = world.uids.find((uid) => world.machine(uid).replica?.isMaster);
    assert.ok(master !== undefined);
    const others = world.uids.filter((uid) => uid !== master);
    for (const uid of others.slice(1)) world.machine(uid).crash('now', false);
    world.submit(master, 'with two');
    world.runUntil(60_000);
    return world.machine(master).replica?.isMaster === true && valueAt(master) === 'with two';
  };
  assert.ok(survives(Flexible(MasterReplica)));
  assert.ok(!survives(MasterReplica));
  const schedule = drawSchedule(1, 4, 30, ['loss']);
  const { violation } = simulate(schedule, { leases: true, broken: Flexible });
  assert.equal(violation?.invariant, 2);
});

// Exercises with flags, in the simulated world.

test('what arrives twice is answered twice, and counts once', () => {
  const { world, events } = runningWorld(PlainReplica);
  world.submit('A', 'hello');
  world.network.conditions = { ...FAIR_WEATHER, duplicate: 1 };
  world.runUntil(1_000);
  const count = (name: string, uid: Uid) => {
    return events.filter(({ event, server }) => event === name && server === uid).length;
  };
  assert.equal(count('promise', 'B'), 2);
  assert.equal(count('lead', 'A'), 1);
  for (const uid of world.uids) assert.equal(count('chosen', uid), 1);
});

test('a server that nobody hears learns, and its client is answered all the same', () => {
  const { world, valueAt } = runningWorld(PlainReplica);
  world.runUntil(500);
  world.network.cut([
    ['B', 'A'],
    ['B', 'C'],
  ]);
  world.submit('A', 'hello');
  world.runUntil(1_000);
  assert.equal(valueAt('B'), 'hello');

  const answers: [Uid, string][] = [];
  world.addClient('client', (from, { type }) => answers.push([from, type]));
  const request = { type: 'request', requestId: '0123456789abcdef-1-1', value: 'world' } as const;
  world.ask('client', 'B', request);
  world.runUntil(1_500);
  assert.deepEqual(answers, []);
  world.ask('client', 'C', request);
  world.runUntil(10_000);
  assert.deepEqual(answers.toSorted(), [
    ['B', 'chosen'],
    ['C', 'chosen'],
  ]);
  assert.equal(world.machine('B').replica?.waiting, 0, 'it has let go');
});

// What is measured.

test('an update costs so many messages and durable writes', () => {
  const rows = [PlainReplica, MasterReplica].map((replicaClass) => {
    const { world, events } = runningWorld(replicaClass);
    world.runUntil(2_000);
    const leader = world.uids.find((uid) => world.machine(uid).replica?.isMaster) ?? 'A';
    const before = events.length;
    world.submit(leader, 'hello');
    world.runUntil(2_050);
    const during = events.slice(before);
    world.runUntil(2_500);
    const inARow = writesInARow(replicaClass);
    const afterwards = events.slice(before + during.length);

    const sent = during.flatMap((event) => (event.event === 'send' ? [event] : []));
    const messages = (type: string) => {
      const ofType = sent.filter(({ message }) => message.type === type);
      return ofType.reduce((sum, { to }) => sum + (to?.length ?? 0), 0);
    };
    const kinds = ['prepare', 'promise', 'accept', 'accepted'];
    assert.ok(sent.every(({ message }) => kinds.includes(message.type)));
    const questions = sent.filter(({ message: { type } }) => ['prepare', 'accept'].includes(type));
    const savesIn = (part: readonly TraceEvent[]) => {
      const each = world.uids.map((uid) => {
        return part.filter(({ event, server }) => event === 'save' && server === uid).length;
      });
      assert.equal(new Set(each).size, 1);
      return each[0] ?? 0;
    };
    assert.equal(during.filter(({ event }) => event === 'chosen').length, 3);
    assert.equal(savesIn(afterwards), 1);
    return [...kinds.map(messages), questions.length, savesIn(during), inARow].map(String);
  });
  assert.deepEqual(
    tableBelow('What is measured, and how').map((row) => row.slice(1)),
    rows,
  );
});

/** How many durable writes follow each other until the one who proposes knows what is chosen. */
function writesInARow(replicaClass: ReplicaClass): number {
  const saveMs = 100;
  const { world, events } = runningWorld(replicaClass);
  world.runUntil(2_000);
  const leader = world.uids.find((uid) => world.machine(uid).replica?.isMaster) ?? 'A';
  for (const machine of world.machines.values()) machine.saveMs = saveMs;
  const before = events.length;
  world.submit(leader, 'hello');
  world.runUntil(2_900);
  const during = events.slice(before);
  const chosen = during.find(({ event, server }) => event === 'chosen' && server === leader);
  assert.ok(chosen !== undefined);
  return Math.round((chosen.at - 2_000) / saveMs);
}

test('npm run bench prints such a table', () => {
  const figures: Figures = { p50Ms: 1, p99Ms: 1, perSecond: { 1: 1, 16: 1, 64: 1 } };
  const alone: Figures = { ...figures, perSecond: { 1: 1 } };
  const [floor, master, plain] = [figures, figures, figures];
  const round = { floor, master, plain, echo: alone, read: alone };
  const wordsOf = (text: string) => {
    return withoutFigures(text.replaceAll(', NOT REACHED', '').replaceAll(/ +$/gm, ''));
  };
  const printed = (['disk', 'memory'] as const).map((place) => {
    const directory = place === 'disk' ? 'state' : '/dev/shm';
    return tableOf(report(place, directory, true, [round])).join('\n');
  });
  const shown = shownBelow('npm run bench').join('\n');
  assert.equal(wordsOf(shown), wordsOf(printed.join('\n\n')));
});

test('the table of tests is that of the directory', () => {
  const files = readdirSync(join(PROJECT, 'test'));
  const names = files.filter((name) => /\.(?:test|long)\.ts$/.test(name));
  const known = names.map((name) => name.replace(/(?:\.test)?\.ts$/, ''));
  const shown = tableBelow('The tests').map(([name = '']) => name.replaceAll('`', ''));
  assert.deepEqual(shown.toSorted(), known.toSorted());
});
