/** Disks are full or slow, and readers do not read. */
import { diskFull } from "./f09-disk-full.ts";
import { slowDisk } from "./f10-slow-disk.ts";
import { deafFollowers } from "./f11-deaf-followers.ts";
import { testRows } from "./row-test.ts";

testRows(diskFull, slowDisk, deafFollowers);
