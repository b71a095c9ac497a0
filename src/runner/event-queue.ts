/**
 * The events of one allocation on their way into its spool, in the order in which they may be heard.
 *
 * Reports go straight in. What lets the server take a decision that needs the checkpoint before it
 * (`waiting`, `exited`, a later checkpoint) stands in line behind a checkpoint that is still being
 * sent. And where the spool was found after a death, nothing goes in until the server has said how far
 * it has heard: a number that it knows already would be taken for a repetition and lost.
 *
 * Events are composed as text around the number they get, because metrics are text already.
 */
import type { SpoolStream } from "./spool.ts";

/** Everything of an event but its type and number; the value of each field is JSON text. */
export type EventFields = Readonly<Record<string, string>>;

interface Waiting {
  readonly type: string;
  /** Null while what it speaks of is still being sent. */
  fields: (() => EventFields) | null;
  dropped: boolean;
  spooled: (() => void) | null;
}

export interface Place {
  /** Gives the event that stands here, asked for when its turn comes. Resolves when it is in the spool. */
  fill(fields: () => EventFields): Promise<void>;
  /** There will be none. */
  drop(): void;
}

export class EventQueue {
  readonly #spool: SpoolStream;
  readonly #appended: () => void;
  readonly #line: Waiting[] = [];
  #open: boolean;

  /** @param options.appended called after each event that reached the spool */
  constructor(options: { spool: SpoolStream; open: boolean; appended: () => void }) {
    this.#spool = options.spool;
    this.#open = options.open;
    this.#appended = options.appended;
  }

  /** Past everybody who waits. */
  put(type: string, fields: EventFields): void {
    this.#spool.append(compose(type, this.#spool.lastSeq + 1, fields));
    this.#appended();
  }

  /** At the end of the line. */
  putInTurn(type: string, fields: EventFields): void {
    this.#line.push({ type, fields: () => fields, dropped: false, spooled: null });
    this.#advance();
  }

  /** Keeps a place at the end of the line. */
  reserve(type: string): Place {
    const place: Waiting = { type, fields: null, dropped: false, spooled: null };
    this.#line.push(place);
    return {
      fill: (fields) =>
        new Promise((resolve) => {
          place.fields = fields;
          place.spooled = resolve;
          this.#advance();
        }),
      drop: () => {
        place.dropped = true;
        this.#advance();
      },
    };
  }

  /** The server has said how far it has heard. */
  open(): void {
    this.#open = true;
    this.#advance();
  }

  #advance(): void {
    while (this.#open) {
      const next = this.#line[0];
      if (next === undefined || (next.fields === null && !next.dropped)) return;
      this.#line.shift();
      if (next.dropped || next.fields === null) continue;
      this.put(next.type, next.fields());
      next.spooled?.();
    }
  }
}

function compose(type: string, seq: number, fields: EventFields): Buffer {
  let text = `{"type":"${type}","seq":${seq}`;
  for (const name of Object.keys(fields)) text += `,"${name}":${fields[name]}`;
  return Buffer.from(`${text}}`);
}
