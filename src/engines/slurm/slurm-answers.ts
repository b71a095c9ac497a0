/** What it means when Slurm does not do what it was told: that it cannot be reached, not just now, or never. */

/** Slurm's own words for a controller that did not answer, or not in time. Whether a job was taken is then unknown. */
const SILENT =
  /unable to (?:contact|resolve)|connect(?:ion)? (?:failure|refused|timed out|reset)|socket timed out|zero bytes were transmitted|header lengths|message (?:send|receive) failure|unexpected (?:message|missing socket)|insane message length|incompatible versions|plugin initialization failed|can't find an address|connection (?:rejected|forced closed)|would block|delayed socket error|is shutting down|file descriptor|failed: (?:no error|success)$|communication[s]? (?:connection|shutdown|receive|send)|slurm_receive_msg|unspecified error|standby mode|protocol authentication|munge|authentication|could not establish a configuration source/i;

/**
 * The C library's, which Slurm prints where a call of the system failed under it: a controller that dies while it is
 * spoken to, a network that breaks, a machine at its end. None of them is a judgement of the job.
 */
const BROKEN =
  /transport endpoint|broken pipe|software caused connection abort|(?:network|host) is (?:down|unreachable)|no route to host|network dropped connection|operation (?:already|now) in progress|interrupted system call|input\/output error|bad file descriptor|no buffer space|cannot (?:allocate memory|assign requested address)|address already in use|too many open files|resource temporarily unavailable|protocol error|stale file handle/i;

/** It answered, and may say otherwise later: others are before us, somebody closed something, its own disk is full. */
const LATER =
  /(?:partition|licenses|reservation) (?:currently |temporarily )?(?:not available|unavailable|not usable|is in use)|in down state|submissions disabled|presently disabled|temporarily unable to accept job|job submit limit|accounting\/qos policy|maxjobcount|rate limit exceeded|too many|in_standby|slurmctld is busy|try again|i\/o error writing|no space left|disk quota|generating job credential/i;

export const isSilence = (text: string): boolean => SILENT.test(text) || BROKEN.test(text);
export const isLater = (text: string): boolean => LATER.test(text);

/** Of a job that has ended by the time it is told something: nothing is wrong. */
const GONE = /invalid job id|already complet|job is pending|not running|job\/step already/i;

export const isGone = (text: string): boolean => GONE.test(text);
