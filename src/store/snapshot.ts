/**
 * Snapshots: a folder becomes a tree of named content and a tree becomes a folder again. The one door for
 * cli, server and runner; nothing behind it knows the database.
 */
export {
  CheckoutError,
  type CheckoutOptions,
  checkoutTree,
  type OpenBlob,
  type OpenedBlob,
  removeCheckout,
} from "./checkout.ts";
export { defaultIgnores } from "./ignore-file.ts";
export {
  defaultScanLimits,
  type ScannedFolder,
  type ScanOptions,
  type ScanResult,
  scanFolder,
} from "./scan-folder.ts";
export {
  blobsOf,
  canonicalTree,
  checkTree,
  clashingPaths,
  contentHash,
  pathFault,
  type SnapshotIssue,
  sortTree,
} from "./tree.ts";
