using System.Text.Json;
using Ipcs.Bench.Plot;
using ScottPlot;

// plot FIGURE.json...     draws each as FIGURE.png beside it: groups of bars, one bar per series, with its value on top
foreach (string file in args)
{
    Figure figure = JsonSerializer.Deserialize<Figure>(await File.ReadAllTextAsync(file), JsonSerializerOptions.Web)
        ?? throw new InvalidDataException($"{file} is empty");
    string picture = Path.ChangeExtension(file, ".png");
    Draw(figure).SavePng(picture, Math.Max(700, 90 * figure.Rows.Count * figure.Series.Count), 460);
    Console.WriteLine(picture);
}

static Plot Draw(Figure figure)
{
    var plot = new Plot();
    int width = figure.Series.Count + 1;
    int index = 0;
    foreach ((string name, IReadOnlyList<double?> values) in figure.Series)
    {
        if (values.Count != figure.Rows.Count)
        {
            throw new InvalidDataException($"'{name}' has {values.Count} figures for {figure.Rows.Count} rows");
        }

        Color color = plot.Add.Palette.GetColor(index);
        var bars = values.Select((value, row) => (value, row)).Where(v => v.value is not null).Select(v => new Bar
        {
            Position = (v.row * width) + index,
            Value = v.value!.Value,
            FillColor = color,
            Label = v.value.Value.ToString("G3", System.Globalization.CultureInfo.InvariantCulture),
        });
        var plotted = plot.Add.Bars(bars.ToArray());
        plotted.LegendText = name;
        index++;
    }

    plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericManual(
        [.. figure.Rows.Select((_, row) => (row * width) + ((figure.Series.Count - 1) / 2.0))], [.. figure.Rows]);
    plot.Axes.Bottom.MajorTickStyle.Length = 0;
    plot.Title(figure.Title);
    plot.YLabel(figure.Unit);
    plot.Axes.Margins(bottom: 0, top: 0.25);
    plot.ShowLegend(Alignment.UpperRight, Orientation.Horizontal);
    plot.HideGrid();
    return plot;
}
