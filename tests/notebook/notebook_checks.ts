/** What a fresh run of a notebook has to show, whoever ran it: nbconvert or a browser. */
import { join } from "node:path";
import { asKept, joined, type Notebook, type Output, problems } from "../../lib/cli/notebooks.ts";
import { ROOT } from "../../lib/cli/process.ts";

/** The notebook that the test in a browser runs. */
export const LESSON = "01_first_grok.ipynb";

/**
 * What the prose of a notebook claims, as it stands in the titles of its figures. Another driver rounds otherwise, and a run near the edge
 * may then take longer than it is watched: most have to grok, not all.
 */
const CLAIMS: Record<string, readonly RegExp[]> = {
  [LESSON]: [
    /All 10 networks memorise around step [\d,]+(?: but generalise only around|; [6-9] of 10 generalise)/,
    /With weight decay (?:1, networks grok around step|2, 2 of 3 networks grok, the median at step) [\d,]+; with 0, none does/,
    /All 3 networks memorise around step 300; none generalises within [\d,]+ steps/,
    /Steps, train fraction and weight decay can each keep all 5 networks from grokking, d_model 2 of 5/,
  ],
  // From the record, so to the digit.
  "02_knobs.ipynb": [
    /Networks grok from train fraction 0\.35 on, earliest median with 0\.7: step 120/,
    /Networks grok with weight decay 0\.25 to 2 only, earliest median with 1: step 600/,
    /Networks grok up to learning rate 0\.03, earliest median there: step 220/,
    /with operation\srandom\slabels none does/,
    /All 5 networks memorise around step 140; none generalises within 2,000 steps/,
    /All 5 networks memorise around step 160; 1 of 5 generalises within 2,000 steps/,
    />0\.052<.{0,60}>0\.402<.{0,60}>0\.972</,
  ],
  "03_capacity.ipynb": [
    /\*\*Width\*\*, grokking: later with d_model 16 than with d_model 64\. With d_model 16 it takes 1\.\d+ times as long/,
    /\*\*Depth\*\*, grokking: later with 1 layer than with 4 layers\. With 1 layer it takes 1\.\d+ times as long \(95 % interval 1\.\d+ to 1\.\d+\)/,
    /yes: none groks/,
    /Every network groks at 9 of 12 finished settings, none at 2; earliest median among the finished with x\s\+\sy\s·\s1×128×4: step\s2,230/,
    /Networks grok at every parameter count, earliest median with 205k: step 1,410/,
    /Times to grok differ in 1 of 3 panels: Large \(4×64×2 sooner\)/,
    /Times to grok differ in 1 of 2 panels: Small \(1×128×4 sooner\)/,
    /With 4×128×4 it takes 1\.2 times as long \(95 % interval 0\.936 to 1\.42\)/,
    /later with 1×128×4 than with 4×64×2\. With 1×128×4 it takes 1\.64 times as long \(95 % interval 1\.31 to 2\)/,
    /later with 4×64×2 than with 1×128×4\. With 4×64×2 it takes 1\.44 times as long \(95 % interval 1\.14 to 1\.74\)/,
    /With 4 layers it takes 1\.35 times as long \(95 % interval 1\.1 to 1\.86\) \(n = 12 and 20/,
    /With small ones it takes 1\.85 times as long \(95 % interval 1\.47 to 2\.5\) \(n = 120 and 75, dealt as 8 and 5 whole units/,
    />1\.1 \(1\.01 to 1\.2\)<.{0,60}>0\.026<.{0,60}>by Gehan alone</,
    /over all evaluations since grokking \| in part; in part the opposite \|/,
    /\d+ of \d+ networks that grokked fall\sbelow\s99\s%\sagain/,
    /Addition groks soonest \| yes \|/,
  ],
  "04_attention_phases.ipynb": [
    /shift \+141 % of the wait \(95 % interval \+67 % to \+219 %, n\s=\s6\)/,
    /Up to 1\.44 times the grokking step: not before on x \+ y, undecided on x − y and x \/ y\./,
    /Up to grokking<\/strong>, decades behind accuracy: x \+ y and x − y not told apart/,
    /Attention is half-way later than accuracy in \d+ of \d+ runs by all of its change, in \d+ of \d+ by that up to grokking/,
    /\*\*x \+ y\*\*: Attention changes after validation accuracy: shift \+35 % of the wait \(95 % interval \+17 % to \+51 %, n\s=\s10\)/,
    /\*\*x \+ y\*\*: Attention does not change before validation accuracy, but with it or after it: shift \+16 % of the wait/,
    /Failed tasks show no head specialisation, learned ones do \| no; in part the opposite \|/,
    /The first layer develops position-specific patterns early \| yes \|/,
    /Of 18 borders, attention changes by more than it drifts at 0, by less at \d/,
    /\*\*Of all heads together, nowhere before the jump\.\*\* By all of its change: after on x \+ y, not before on x − y and x \/ y\./,
  ],
  "05_boundaries.ipynb": [
    /the runs here and the published ones not told apart\. With the runs here it takes 1\.05 times as long/,
    /To grok, networks here take 1\.04 times as many steps as the published ones \(95 %: 1\.02 to 1\.07\), over 47 settings/,
    />1\.19 \(1\.01 to 1\.38\)<.+>1\.23 \(1\.01 to 1\.41\)</s,
    /With the preset's start of attention networks grok later than with the published start.+>1\.17 \(1\.05 to 1\.29\)<.+>1\.06 \(1\.04 to 1\.08\)</s,
    /The published start\*\*, grokking: the published start and the published runs not told apart\..{0,60}it takes 1\.09 times as long \(95 % interval 0\.971 to/,
    /later with 23 than with 47\. With 23 it takes 1\.94 times as long \(95 % interval 1\.46 to 2\.2\)/,
    /Networks grok at every d_model, earliest median with 256: step 1,070/,
    /At equal d_model \/ p, networks grok sooner modulo 97 than modulo 23, in 0\.25 times the steps; times p, the two\saren't told apart/,
    /With p 47 it takes 1\.01 times as many steps × p \(95 % interval 0\.9 to 1\.04\)/,
    /With p 47 it takes 0\.626 times as many steps × p \(95 % interval 0\.42 to 0\.919\) \(n = 10 and 10/,
    /With twice p it takes 1\.12 times as long \(95 % interval 1\.04 to 1\.21\)/,
    /four times p and twice p not told apart/,
    /With p 31 it takes 1\.12 times as many steps × p \(95 % interval 1\.02 to 1\.18\)/,
    /At weight decay 1, 251 of 261 networks that grokked fall below 95\s%\sagain in the 550 epochs after grokking/,
    /At weight decay 1, 236 of 247 networks that grokked fall below 95\s%\sagain in the 500 to 590 steps after grokking/,
    /At weight decay 1, 259 of 259 networks that grokked fall below 95\s%\sagain in the last 5,000 epochs/,
    /time below 95 %: the runs here and the published ones not told apart\. Cliff's δ −0\.008 \(95 % interval −0\.129 to 0\.114\)/,
    /not shown that networks at the largest d_model\s\/\sp take longer than at the best, with weight\sdecay\s1/,
    /Networks grok up to weight decay 3, earliest median there: step 490/,
    /from which half of the networks grok is 0\.858 at\sweight\sdecay\s0\.01; at 0\.1 and 1 all do/,
    /With weight\sdecay\s0\.01, 0\.1 and 1, networks take 1\.9 to 3 times as long to grok at d_model\s\/\sp\s16 as at the best/,
    /from which half of the networks grok is lower at weight\sdecay\s1 \(below\s0\.792\) than at\s3 \(1\.36\); at 10 none does/,
    /rises from 0\.516 or less at weight\sdecay\s1 to 2\.06 at 3; no trend is shown at 0\.1; no single one at 0\.3; nowhere at 10/,
    />decay 10</,
    /Networks grok at each weight decay 0\.1, 0\.5, 1 and 3, earliest median with 3: step 510; weight decay 10 watched for 4,910 steps only/,
    /2 % for\sdecay\s0\.1, 2 % for\sdecay\s0\.5, 4 % for\sdecay\s1 and 11 % for\sdecay\s3; of\sdecay\s10, no network memorises within 5,000 steps/,
    /later with 10 than with 3\. With 10 it takes more than 9\.3 times as long/,
    /later with 0\.1 than with 0\.5\. With 0\.1 it takes 6\.4 times as long \(95 % interval 5\.5 to 7\.2\)/,
    /later with 0\.5 than with 1\. With 0\.5 it takes 1\.95 times as long \(95 % interval 1\.73 to 2\.5\)/,
    /later with 1 than with 3\. With 1 it takes 2\.8 times as long \(95 % interval 2\.3 to 3\.3\)/,
  ],
  "07_shortcuts.ipynb": [
    /Against AdamW: Grokfast-MA, OrthoGrad, StableMax, Lion, SignSGD, Adam with L2 and SGD later; Grokfast-EMA and Muon not\stold\sapart/,
    />9 of 12<.{0,60}>481<.{0,60}>264<.{0,60}>217<.{0,60}>-40 to 474</,
    />12 of 12<.{0,60}>125<.{0,60}>264<.{0,60}>-139<.{0,60}>-308 to 30</,
    /AdamW, no\sdecay: fewer than half.+OrthoGrad, no\sdecay: half by step 800; StableMax, no\sdecay: fewer than half/,
    /None of 3 is told apart from AdamW/,
    /Against Muon \+ Grokfast: AdamW, Muon and Grokfast-EMA sooner</,
  ],
  "08_norms.ipynb": [
    /\*\*Initial scale\*\*, grokking: later with 4 than with 1\. With 4 it takes 3\.1 times as long/,
    /decay 0\.3\*\*, grokking: 4 and 1 not told apart\. With 4 it takes 1\.14 times as long \(95 % interval 0\.69 to 2\.4\)/,
    /decay 1\*\*, grokking: later with 4 than with 1\. With 4 it takes more than 5\.9 times as long \(95 %\) \(n = 10 and 10, of which 0 and 9 grok/,
    /decay 3\*\*, grokking: too few runs to tell 4 and 1 apart/,
    />35\.93<(?:.{0,60}>–<){3}.{0,60}>1\.207<.{0,60}>1\.492<.{0,60}>6\.076</,
    /\*\*Weight decay\*\*, grokking: 0\.3 and 1 not told apart/,
    /scale 2\*\*, grokking: later with 0\.3 than with 1\. With 0\.3 it takes 4\.3 times as long \(95 % interval 2\.2 to 8\.3\)/,
    /scale 4\*\*, grokking: later with 1 than with 0\.3\. With 1 it takes more than 2\.1 times as long/,
    /Times to grok differ in 1 of 4 panels: Initial scale 2 \(held sooner\)/,
    /grokking: later with 5 % wrong labels than with the plain network/,
    /grokking: uniform attention and the plain network not told apart/,
    /grokking: no attention and the plain network not told apart/,
  ],
  // Other machines are recorded beside this one.
  "90_speed.ipynb": [
    />cpu-profile<.{0,60}>cpu: 2 cores of Intel\(R\) Xeon\(R\) Processor</,
    /\*\*boundaries\*\*, 4704 examples per update, R = 1\.[^0-9]/,
    />torch-eager<.{0,60}>2\.13\.0\+cpu<.{0,80}BLAS MKL</,
  ],
  "06_representations.ipynb": [
    /7 of 11 networks grok, earliest median with weight\sdecay\s1/,
    /The key frequencies explain 38 % of the logits when networks have memorised, 9\d % when they grok/,
    /The key frequencies explain 1\d % of the logits when networks have memorised, 1\d % at step 1,500/,
    />0\.87<.{0,60}>0\.94<.{0,60}>1</,
    // Restricted loss and the whole network's: below it in seeds 2 and 4, above it in seeds 0 and 7.
    />11 9 3<.{0,120}>4\.6e-8<.{0,200}>0\.00018<.{0,200}>22 7<.{0,120}>0\.046<.{0,200}>0\.053</,
    />10 12<.{0,120}>0\.0000071<.{0,200}>4\.3e-7<.*>2 22<.{0,120}>0\.097<.{0,200}>0\.037</,
  ],
};

/** A notebook for the Deno kernel: cells of code, none of which has run. */
export const book = (...sources: string[]) => ({
  cells: sources.map((source) => ({ cell_type: "code", source, metadata: {}, outputs: [], execution_count: null })),
  metadata: { kernelspec: { name: "deno", display_name: "Deno", language: "typescript" } },
  ...{ nbformat: 4, nbformat_minor: 4 },
});

/** A notebook as it is committed. */
export const committed = (name: string): Notebook => JSON.parse(Deno.readTextFileSync(join(ROOT, "notebooks", name)));

/** Code without its comments and texts, whose words are no code. */
export const withoutText = (code: string): string =>
  code.replaceAll(/\/\/.*|\/\*[^]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[^]|[^`\\])*`/g, '""');

/** Where a fresh run and the committed notebook differ in structure. */
export function differences(committed: Notebook, fresh: Notebook): string[] {
  if (committed.cells.length !== fresh.cells.length) return [`${fresh.cells.length} cells, must be ${committed.cells.length}`];
  const kinds = (outputs: readonly Output[] = []) =>
    outputs.map(({ output_type, name, data = {} }) => [output_type, ...(name ? [name] : []), ...Object.keys(data).sort()].join(" "));
  return committed.cells.flatMap((cell, i) => {
    const other = fresh.cells[i];
    const [was, is] = [kinds(cell.outputs).join(", "), kinds(other.outputs).join(", ")];
    return [
      ...(joined(cell.source) === joined(other.source) && cell.cell_type === other.cell_type ? [] : [`cell ${i + 1}: its source changed`]),
      ...(was === is ? [] : [`cell ${i + 1}: outputs are [${is}], must be [${was}]`]),
    ];
  });
}

/**
 * What is wrong with a fresh run of a notebook, by itself, beside the committed one, and by what its prose tells; empty where nothing is.
 */
export function shortfalls(name: string, fresh: Notebook): string[] {
  const shown = JSON.stringify(fresh.cells.map((cell) => cell.outputs));
  const untold = (CLAIMS[name] ?? []).filter((claim) => !claim.test(shown)).map((claim) => `no figure says ${claim}`);
  return [...problems(fresh), ...differences(committed(name), asKept(fresh)), ...untold];
}
