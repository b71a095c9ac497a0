/** A training program whose output does what output should not: it tries to be obeyed, and to be more than a screen can show. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as contrail from "contrail";

const trial = await contrail.init({ params: {} });
const ESC = "\x1b";
console.log("<script>globalThis.planted = 1</script><img src=x onerror='globalThis.planted = 2'>");
console.log(`${ESC}[31mred${ESC}[0m plain ${ESC}[2J${ESC}]0;a title\x07 after`);
process.stdout.write(" 10 %\r 50 %\r100 %\n");
console.log("\u202egnp.exe and \0 a nul");
process.stdout.write(
  Buffer.concat([Buffer.from("bad "), Buffer.from([0xff, 0xfe]), Buffer.from(" bytes\n")]),
);
console.log(Array.from({ length: 20_000 }, (_, i) => `${ESC}[3${i % 8}mx`).join(""));
console.log("x".repeat(1_000_000));
console.error("a word on stderr");
for await (const step of trial.steps()) {
  trial.report(step, { loss: 1 / step, "<b>odd</b> \u202ename": step === 1 ? Number.NaN : step });
  await trial.checkpoint(step, (folder) =>
    writeFileSync(join(folder, "<img src=x> \u{1f600}.txt"), `step ${step}`),
  );
}
console.log("the last line");
