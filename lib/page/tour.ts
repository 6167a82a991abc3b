/** The tour: eight short steps, each a question before its answer, and what to do or where to look. */
/// <reference lib="dom" />
import { found, made } from "./elements.ts";
import { FIRST, PRESETS, type Settings } from "./settings.ts";

interface Stop {
  readonly title: string;
  readonly tells: string;
  readonly question: string;
  readonly answer: string;
  /** What a button does: trains a setting, or goes to a part of the page. */
  readonly act: { readonly name: string } & ({ readonly settings: Settings } | { readonly goes: string });
}

const preset = (id: string) => PRESETS.find((each) => each.id === id)!.settings;

const STOPS: readonly Stop[] = [
  {
    title: "A clock with 47 hours",
    tells: "On a clock with 12 hours, 10 + 5 is 3. Ours has 47 hours, from 0 to 46. To the networks, the numbers are 47 names without " +
      "any meaning, and half of the 2,209 sums are all that they are shown.",
    question: "What is 40 + 12 on this clock? And how could somebody answer who has never been told what a number is?",
    answer: "5, because 52 − 47 = 5. Somebody without numbers can learn the sums they are shown by heart, like names and telephone " +
      "numbers. The others they can only guess: one in 47 is right.",
    act: { name: "Show the settings", goes: "settings" },
  },
  {
    title: "Learn by heart",
    tells: "Five networks begin, each from other random weights. Blue is how many they get right of the sums they train on, orange of " +
      "those they never see.",
    question: "Which curve will rise first, and how far behind will the other be?",
    answer: "Blue is at 100 % after some hundred steps: every sum shown is learnt by heart. Orange gets stuck near a half: 3 + 8 is 8 + " +
      "3, so half of the unseen sums are seen ones turned round. The others it gets wrong, and is sure of it: look at the loss.",
    act: { name: "Start the training", settings: FIRST },
  },
  {
    title: "The wait",
    tells: "On the training sums there is nothing left to gain. Most people would stop here.",
    question: "If training goes on with the same sums, over and over: what happens to orange?",
    answer: "For long, little; then it jumps to 100 %. Without one new example the networks have found the rule. That late jump is " +
      "called grokking. When it comes is a matter of chance: compare the five seeds.",
    act: { name: "Look at the curves", goes: "train" },
  },
  {
    title: "What pulls",
    tells: "Each step also shrinks all weights a little: weight decay. Learning by heart needs large weights, the rule gets by with " +
      "small ones.",
    question: "What if nothing shrinks the weights?",
    answer: "Then what was learnt by heart is good enough for ever. Blue rises as before, and orange stays where it is, as far as we " +
      "can watch.",
    act: { name: "Train without weight decay", settings: { ...FIRST, decay: 0, steps: 1500 } },
  },
  {
    title: "Too little to go on",
    tells: "So far they saw half of all sums.",
    question: "What if they see a fifth? Is it a longer wait, or none at all?",
    answer: "With so few sums, many rules fit what was shown, and learning by heart is the cheapest. Somewhere between a fifth and a " +
      "half lies a border: try the slider “Share that trains”.",
    act: { name: "Train with a fifth", settings: preset("never") },
  },
  {
    title: "No rule at all",
    tells: "Now every answer is drawn at random. The networks don't know that.",
    question: "Will blue rise? Will orange?",
    answer: "Blue rises: these networks have room enough to learn a thousand random answers by heart. Orange stays at guessing, since " +
      "there is nothing to find. So a perfect score on what was shown says nothing about understanding.",
    act: { name: "Train with random labels", settings: preset("random") },
  },
  {
    title: "Look inside",
    tells: "Train the first setting again, then drag the slider below “Look inside” from left to right.",
    question: "How would you add on a clock without knowing numbers? What shape would you draw?",
    answer: "You would turn a hand. So do they: the cloud of 47 names becomes circles, on which each number is an angle, and the " +
      "spectrum becomes a few lines, one for each circle. In the table of all sums, the orange cells fill in at that time.",
    act: { name: "Train again", settings: FIRST },
  },
  {
    title: "Waves",
    tells: "An angle is stored as its cosine and sine, so neurons turn into waves: cos(2πk·a/47) with a frequency k for each circle. " +
      "Adding angles is what the table of sines and cosines is for.",
    question: "Would subtraction look different from within? And a product?",
    answer: "A difference uses the same circles, turned the other way. A product has circles too, but its numbers stand on them in " +
      "another order. Try both with “Operation”; then send your finding as a link, or go on in the laboratory.",
    act: { name: "Look at the neurons", goes: "neurons" },
  },
];

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Brings a part of the page into sight; of a part that is still hidden, what it will stand in. */
export const goTo = (id: string): void =>
  found(id).closest(":not([hidden], [hidden] *)")!.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });

export class Tour {
  /** @param train trains a setting from its beginning */
  constructor(readonly train: (settings: Settings) => void) {
    found("tour-dots").append(
      ...STOPS.map(({ title }, i) =>
        made(
          "li",
          {},
          made("button", { type: "button", "aria-label": `Step ${i + 1}: ${title}`, onclick: () => this.#choose(i) }, String(i + 1)),
        )
      ),
    );
    found("tour-hide").addEventListener("click", () => this.#open(found("tour-body").hasAttribute("hidden")));
    found("take-tour").addEventListener("click", () => {
      this.#open(true);
      this.#go(0);
      goTo("tour");
    });
    // On a narrow screen, training comes first.
    this.#open(matchMedia("(min-width: 721px)").matches);
    this.#go(0, false);
  }

  #choose(at: number): void {
    this.#open(true);
    this.#go(at);
  }

  #open(open: boolean): void {
    const hide = found("tour-hide");
    found("tour-body").hidden = !open;
    hide.textContent = open ? "Hide" : "Show";
    hide.setAttribute("aria-expanded", String(open));
  }

  #go(at: number, focus = true): void {
    const { title, tells, question, answer, act } = STOPS[at], doIt = () => "settings" in act ? this.train(act.settings) : goTo(act.goes);
    found("tour-dots").querySelectorAll("button").forEach((dot, i) => {
      if (i === at) dot.setAttribute("aria-current", "step");
      else dot.removeAttribute("aria-current");
    });
    const heading = made("h3", { tabindex: -1 }, `${at + 1}. ${title}`);
    const way = (name: string, to: number) => made("button", { type: "button", class: "quiet", onclick: () => this.#go(to) }, name);
    found("tour-body").replaceChildren(
      made("div", {}, heading, made("p", {}, tells)),
      made(
        "div",
        { class: "asks" },
        made("p", { class: "question" }, question),
        made("details", {}, made("summary", {}, "Think first, then open the answer"), made("p", {}, answer)),
      ),
      made(
        "div",
        { class: "row" },
        made("button", { type: "button", class: "act", onclick: doIt }, act.name),
        ...at > 0 ? [way("Back", at - 1)] : [],
        ...at < STOPS.length - 1 ? [way("Next", at + 1)] : [],
      ),
    );
    if (focus) heading.focus({ preventScroll: true });
  }
}
