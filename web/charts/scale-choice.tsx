/** Whether an axis of numbers is linear or logarithmic: the same choice on every chart that offers it. */
import { SegmentedControl } from "@mantine/core";

export const SCALES = ["linear", "log"] as const;
export type Scale = (typeof SCALES)[number];

/** @param props.onChange what stands in the address: nothing for the one that is shown anyway */
export function ScaleChoice(props: {
  readonly label?: string;
  readonly value: Scale;
  readonly onChange: (value: "log" | undefined) => void;
}) {
  const { label = "Scale", value, onChange } = props;
  return (
    <SegmentedControl
      size="xs"
      aria-label={label}
      data={[...SCALES]}
      value={value}
      onChange={(chosen) => onChange(chosen === "log" ? "log" : undefined)}
    />
  );
}
