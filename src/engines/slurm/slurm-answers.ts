/** What it means when Slurm does not do what it was told: that it cannot be reached, not just now, or never. */

/** The controller did not answer, or not in time. Whether a job was taken is then unknown. */
const SILENT =
  /unable to contact slurm|connect(?:ion)? (?:failure|refused|timed out|reset)|socket timed out|zero bytes were transmitted|message receive failure|communication[s]? (?:connection|shutdown|receive|send)|slurm_receive_msg|unspecified error|standby mode|protocol authentication|munge|authentication|resource temporarily unavailable|no route to host|could not establish a configuration source/i;

/** It answered, and may say otherwise later. */
const LATER =
  /required partition not available|temporarily unable to accept job|job submit limit|accounting\/qos policy|too many|in_standby|slurmctld is busy|try again/i;

export const isSilence = (text: string): boolean => SILENT.test(text);
export const isLater = (text: string): boolean => LATER.test(text);

/** Of a job that has ended by the time it is told something: nothing is wrong. */
const GONE = /invalid job id|already complet|job is pending|not running|job\/step already/i;

export const isGone = (text: string): boolean => GONE.test(text);
