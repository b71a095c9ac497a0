/** The lineage of any thing: `/lineage/trial:3.12`, `/lineage/dataset:digits@2`. */
import { useParams } from "@tanstack/react-router";
import { Inert } from "../../parts/text.tsx";
import { LineageOf } from "./lineage-of.tsx";
import { thingWords } from "./words.ts";

export default function LineagePage() {
  const { thing = "" } = useParams({ strict: false }) as { readonly thing?: string };
  return (
    <>
      <header className="page-head">
        <h1>
          Lineage of <Inert>{thingWords(thing)}</Inert>
        </h1>
      </header>
      <LineageOf thing={thing} />
    </>
  );
}
