const begin = async () => {
  $("unpacking").hidden = false;
  let data;
  try {
    data = await unpack();
  } catch {
    $("unpacking").textContent = "This browser cannot unpack the answers. A newer one can; facts.parquet beside this page has all.";
    return;
  }
  $("unpacking").hidden = true;
  const page = readable(data);
  const flows = startFlows(page);
  startFacts(page, flows);
  startCharts(page);
  $("copy-csv").textContent = data.csv;
  $("csv").hidden = false;
};
begin();
