/** The package's front door: what training code and tools import from "contrail". */
export { type InitOptions, init } from "./init.ts";
export { type MeetOptions, meet, Ranks } from "./ranks/ranks.ts";
export { RanksError, type RanksErrorCode } from "./ranks/ranks-error.ts";
export {
  Generator,
  generator,
  Order,
  type OrderOptions,
  type OrderState,
  restoreStates,
  type Stateful,
  saveStates,
} from "./repeatable.ts";
export {
  type CheckpointOptions,
  type Restore,
  type Save,
  type StepsOptions,
  Trial,
} from "./trial.ts";
export { InvalidHyperparameters, TrialError, type TrialErrorCode } from "./trial-errors.ts";
