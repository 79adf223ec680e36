/**
 * `npm run mutate`: does anything notice when the protocol is wrong? Makes small changes in the
 * sources of the reading path, one at a time, and lets the checks run over each. What none of them
 * notices is kept in a list, with a reason.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { Failure, UsageError } from '../../node/failure.ts';
import { parseArguments, runProgram, wholeNumber } from '../../node/program.ts';
import { Random } from '../../simulation/random.ts';
import { Checks, PROJECT } from './checks.ts';
import { formatSurvivors, type Mutant, nameOf, parseSurvivors, type Survivor } from './mutants.ts';
import { mutantsOf } from './operators.ts';

const LIST = 'test/mutants.txt';
/** Such as no operator makes: mistakes that somebody could make, each with its name. */
const BY_HAND = 'test/mutants-by-hand.txt';
const MOST_AT_ONCE = 64;
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

interface Settings {
  readonly files: readonly string[];
  readonly seeds: number;
  readonly atOnce: number;
  readonly sample: number | null;
  readonly seed: string;
  readonly isToWrite: boolean;
  readonly isListed: boolean;
  readonly isToShow: boolean;
  readonly isQuick: boolean;
}

function readSettings(args: readonly string[]): Settings {
  const command = new Command('npm run mutate --')
    .description('Changes the protocol a little, again and again, and says what nobody notices.')
    .argument('[FILES...]', 'sources, such as src/chain.ts; all of src/*.ts if none is named')
    .option('--seeds <N>', 'seeds of the simulator for each kind of cluster', '60')
    .option('--at-once <N>', 'mutants that are tried at the same time', '2')
    .option('--sample <N>', 'try so many mutants only, drawn by chance')
    .option('--seed <SEED>', 'which ones are drawn', `${Date.now() % 1_000_000}`)
    .option('--write', `write ${LIST} anew, with the reasons that are known`)
    .option('--quick', 'leave out the checks that take longest, and try more mutants in a minute')
    .option('--listed', `try only those that stand in ${LIST}: are they noticed by now?`)
    .option('--show', 'show the mutants, and try none');
  const named = parseArguments(command, args);
  const options = command.opts();
  const all = sources();
  const unknown = named.find((file) => !all.includes(file));
  if (unknown !== undefined) throw new UsageError(`${unknown} is none of ${all.join(', ')}`);
  const sample = options['sample'];
  if (sample !== undefined && options['write'] === true) {
    throw new UsageError('a sample does not tell what may stand in the list: leave out --write');
  }
  return {
    files: named.length === 0 ? all : named,
    seeds: wholeNumber('--seeds', options['seeds'], 0, 1_000_000),
    atOnce: wholeNumber('--at-once', options['atOnce'], 1, MOST_AT_ONCE),
    sample: sample === undefined ? null : wholeNumber('--sample', sample, 1, 1_000_000),
    seed: options['seed'],
    isToWrite: options['write'] === true,
    isListed: options['listed'] === true,
    isToShow: options['show'] === true,
    isQuick: options['quick'] === true,
  };
}

function sources(): readonly string[] {
  const names = readdirSync(join(PROJECT, 'src')).filter((name) => name.endsWith('.ts'));
  return names.toSorted().map((name) => `src/${name}`);
}

function textOf(path: string): string {
  return readFileSync(join(PROJECT, path), 'utf8');
}

function knownSurvivors(): readonly Survivor[] {
  return existsSync(join(PROJECT, LIST)) ? parseSurvivors(textOf(LIST)) : [];
}

function draw(mutants: readonly Mutant[], { sample, seed }: Settings): readonly Mutant[] {
  if (sample === null) return mutants;
  const random = new Random(seed, 'mutants');
  const left = [...mutants];
  const count = Math.min(sample, left.length);
  return Array.from(
    { length: count },
    () => left.splice(random.below(left.length), 1)[0] as Mutant,
  );
}

/** Tries them all, several at once; gives back those that nothing notices, in order. */
async function survivorsOf(
  mutants: readonly Mutant[],
  checks: Checks,
  atOnce: number,
): Promise<readonly Mutant[]> {
  const survivors = new Set<Mutant>();
  const waiting = mutants.entries();
  const work = async () => {
    for (const [index, mutant] of waiting) {
      const noticed = await checks.whoNotices(mutant);
      if (noticed === null) survivors.add(mutant);
      const count = `${index + 1} of ${mutants.length}, ${survivors.size} unnoticed`;
      console.log(`${nameOf(mutant)}\n${count}: ${noticed ?? 'NOBODY NOTICES'}\n`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return mutants.filter((mutant) => survivors.has(mutant));
}

/** What stands in the list, without what is noticed by now, and with what is not. */
function write(survivors: readonly Mutant[], files: readonly string[]): void {
  const known = knownSurvivors();
  const reasons = new Map(known.map((survivor) => [nameOf(survivor), survivor.reason]));
  const others = known.filter(({ file }) => !files.includes(file));
  const found = survivors.map((mutant) => {
    return { ...mutant, reason: reasons.get(nameOf(mutant)) ?? '' };
  });
  const all = [...others, ...found].toSorted((a, b) =>
    a.file < b.file ? -1 : Number(a.file > b.file),
  );
  writeFileSync(join(PROJECT, LIST), formatSurvivors(all));
  console.log(`${LIST} names ${all.length}, of which ${noReason(all).length} lack a reason.`);
}

function noReason(survivors: readonly Survivor[]): readonly Survivor[] {
  return survivors.filter(({ reason }) => reason === '');
}

/** What is explained takes longest, and what becomes of it matters to the list alone. */
function toTry(mutants: readonly Mutant[], settings: Settings): readonly Mutant[] {
  if (settings.isToWrite) return mutants;
  const known = new Set(knownSurvivors().map(nameOf));
  return mutants.filter((mutant) => known.has(nameOf(mutant)) === settings.isListed);
}

function judge(tried: readonly Mutant[], survivors: readonly Mutant[], isListed: boolean): void {
  const wrong = isListed ? tried.filter((mutant) => !survivors.includes(mutant)) : survivors;
  if (wrong.length === 0) return console.log(`${LIST} has what nobody notices, and a reason.`);
  console.log(wrong.map(nameOf).join('\n\n'));
  if (isListed) throw new Failure(`${wrong.length} stand in ${LIST}, and are noticed by now`);
  throw new Failure(`nobody notices ${wrong.length} mutants that are not explained in ${LIST}`);
}

await runProgram(async (args) => {
  const settings = readSettings(args);
  const byHand = parseSurvivors(textOf(BY_HAND));
  const all = settings.files.flatMap((file) => {
    return [...mutantsOf(file, textOf(file)), ...byHand.filter((mutant) => mutant.file === file)];
  });
  const drawn = draw(all, settings);
  const mutants = toTry(drawn, settings);
  const sampled = settings.sample === null ? '' : `, a sample by --seed ${settings.seed}`;
  const explained = drawn.length - mutants.length;
  console.log(`${mutants.length} of ${all.length} mutants${sampled}; ${explained} are let be\n`);
  if (settings.isToShow) return console.log(mutants.map(nameOf).join('\n\n'));

  const checks = new Checks(settings.seeds, settings.isQuick);
  for (const [signal, code] of Object.entries(EXIT_CODES)) {
    process.once(signal, () => {
      checks.end();
      process.exit(code);
    });
  }
  try {
    await checks.prepare(settings.files);
    const survivors = await survivorsOf(mutants, checks, settings.atOnce);
    if (settings.isToWrite) write(survivors, settings.files);
    else judge(mutants, survivors, settings.isListed);
  } finally {
    checks.end();
  }
});
