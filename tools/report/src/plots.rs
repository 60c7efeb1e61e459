// SPDX-License-Identifier: GPL-2.0

//! Plots as SVG, to stand in the page. Colors are those of the light page. The style of the page
//! (style.css) has another one for each if the reader wants a dark page.

use plotters::{
    coord::ranged1d::{IntoSegmentedCoord, SegmentValue},
    prelude::*,
};
use std::error::Error;

/// Color of text and axes.
const TEXT: RGBColor = RGBColor(0x3F, 0x3F, 0x46);
/// Color of the lines of the grid.
const GRID: RGBColor = RGBColor(0xE4, 0xE4, 0xE7);
/// Color of this driver, and of what a VF wrote.
const OURS: RGBColor = RGBColor(0x25, 0x63, 0xEB);
/// Color of the C driver.
const C: RGBColor = RGBColor(0xD9, 0x77, 0x06);
/// Color of all pages.
const ALL: RGBColor = RGBColor(0x93, 0xC5, 0xFD);
/// Color of the downtime.
const STOPPED: RGBColor = RGBColor(0xFE, 0xCA, 0xCA);

const WIDTH: u32 = 860;

type Plot = Result<String, Box<dyn Error>>;

fn font(size: u32) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", size)).color(&TEXT)
}

/// A migration.
pub struct Timeline {
    /// Rounds: when each began, in seconds, and pages that were dirty, all and by VFs.
    pub rounds: Vec<(f64, u64, u64)>,
    /// When the guest was stopped and went on.
    pub stopped: Option<(f64, f64)>,
    /// MiB that were sent, by time.
    pub sent: Vec<(f64, f64)>,
}

impl Timeline {
    /// Returns the time at which it ends.
    fn end(&self) -> f64 {
        let rounds = self.rounds.iter().map(|round| round.0);
        let sent = self.sent.iter().map(|sent| sent.0);
        let stopped = self.stopped.map(|stopped| stopped.1);
        let end = rounds.chain(sent).chain(stopped).fold(0.0, f64::max);
        end.max(0.01) * 1.02
    }

    /// Plots the dirty pages of each round, and below them what was sent.
    pub fn plot(&self) -> Plot {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, (WIDTH, 340)).into_drawing_area();
            let (rounds, sent) = root.split_vertically(200);
            self.plot_rounds(&rounds)?;
            self.plot_sent(&sent)?;
            root.present()?;
        }
        Ok(svg)
    }

    /// The time in which the guest was stopped, over the height of a plot.
    fn band(&self, bottom: f64, top: f64) -> Option<Rectangle<(f64, f64)>> {
        let corners = |(stopped, started)| [(stopped, bottom), (started, top)];
        let stopped = self.stopped.map(corners)?;
        Some(Rectangle::new(stopped, STOPPED.filled()))
    }

    fn plot_rounds(
        &self,
        area: &DrawingArea<SVGBackend, plotters::coord::Shift>,
    ) -> Result<(), Box<dyn Error>> {
        let end = self.end();
        let most = self.rounds.iter().map(|round| round.1.max(round.2)).max();
        let top = most.unwrap_or(0).max(9) as f64 * 2.0;
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .margin_right(16)
            .x_label_area_size(18)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..end, (1.0..top).log_scale())?;
        chart.draw_series(self.band(1.0, top))?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(TEXT)
            .label_style(font(12))
            .axis_desc_style(font(12))
            .y_desc("dirty pages")
            .x_label_formatter(&|_| String::new())
            .y_label_formatter(&|pages| format!("{pages:.0}"))
            .draw()?;
        // A round sends what it found until the next one begins.
        let ends = self.rounds.iter().skip(1).map(|round| round.0);
        let mut by_vfs = Vec::new();
        for (round, until) in self.rounds.iter().zip(ends.chain([end / 1.02])) {
            let until = until.max(round.0 + end / 200.0);
            if round.1 != 0 {
                let high = (round.1 as f64).max(1.2);
                let corners = [(round.0, 1.0), (until, high)];
                chart.draw_series([Rectangle::new(corners, ALL.filled())])?;
            }
            let level = (round.2 as f64).max(1.0);
            by_vfs.extend([(round.0, level), (until, level)]);
        }
        chart.draw_series(LineSeries::new(by_vfs, OURS.stroke_width(2)))?;
        Ok(())
    }

    fn plot_sent(
        &self,
        area: &DrawingArea<SVGBackend, plotters::coord::Shift>,
    ) -> Result<(), Box<dyn Error>> {
        let end = self.end();
        let top = self.sent.iter().map(|sent| sent.1).fold(0.1, f64::max) * 1.1;
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .margin_right(16)
            .x_label_area_size(34)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..end, 0.0..top)?;
        chart.draw_series(self.band(0.0, top))?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(TEXT)
            .y_labels(4)
            .label_style(font(12))
            .axis_desc_style(font(12))
            .x_desc("seconds since the first round")
            .y_desc("MiB sent")
            .x_label_formatter(&|seconds| format!("{seconds:.1}"))
            .y_label_formatter(&|mib| format!("{mib:.0}"))
            .draw()?;
        let line = self.sent.iter().map(|sent| (sent.0.max(0.0), sent.1));
        chart.draw_series(LineSeries::new(line, OURS.stroke_width(2)))?;
        Ok(())
    }
}

/// A bar, or none: its value, and the range in which most of the values were.
pub struct Bar {
    pub value: f64,
    pub range: Option<(f64, f64)>,
}

/// Plots groups of two bars: of this driver, and of the C driver.
pub fn beside_c(unit: &str, groups: &[(String, [Bar; 2])], log: bool) -> Plot {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH / 2, 260)).into_drawing_area();
        let highest = |bar: &Bar| bar.range.map_or(bar.value, |range| range.1.max(bar.value));
        let bars = || groups.iter().flat_map(|group| &group.1);
        let top = bars().map(highest).fold(1.0, f64::max);
        let least = bars().map(|bar| bar.value).filter(|value| *value > 0.0);
        let bottom = if log {
            least.fold(top, f64::min) / 3.0
        } else {
            0.0
        };
        let names: Vec<&str> = groups.iter().map(|group| group.0.as_str()).collect();
        // A logarithm as a plain coordinate: the same code draws both kinds.
        let y = |value: f64| {
            if log {
                value.max(bottom).log10()
            } else {
                value
            }
        };
        let top = if log { y(top * 1.5) } else { top * 1.1 };
        let mut chart = ChartBuilder::on(&root)
            .margin(6)
            .x_label_area_size(22)
            .y_label_area_size(60)
            .build_cartesian_2d(
                (0..names.len().saturating_sub(1)).into_segmented(),
                y(bottom)..top,
            )?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(TEXT)
            .label_style(font(12))
            .axis_desc_style(font(12))
            .y_desc(unit)
            .y_labels(6)
            .x_label_formatter(&|at| match at {
                SegmentValue::CenterOf(n) => names.get(*n).copied().unwrap_or("").to_owned(),
                _ => String::new(),
            })
            .y_label_formatter(&|value| match log {
                true => format!("{:.0}", 10f64.powf(*value)),
                false => format!("{value:.0}"),
            })
            .draw()?;
        let area = chart.plotting_area();
        for (n, (_, bars)) in groups.iter().enumerate() {
            let at = |value: f64| area.map_coordinate(&(SegmentValue::CenterOf(n), value));
            let (middle, zero) = at(y(bottom));
            for (bar, color, from) in [(&bars[0], OURS, middle - 24), (&bars[1], C, middle + 2)] {
                let high = at(y(bar.value)).1;
                root.draw(&Rectangle::new(
                    [(from, high), (from + 22, zero)],
                    color.filled(),
                ))?;
                if let Some((low, high)) = bar.range {
                    let line = [(from + 11, at(y(low)).1), (from + 11, at(y(high)).1)];
                    root.draw(&PathElement::new(line, TEXT.stroke_width(2)))?;
                }
            }
        }
        root.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All colors have another one for the dark page.
    #[test]
    fn colors() {
        let style = include_str!("style.css");
        for RGBColor(r, g, b) in [TEXT, GRID, OURS, C, ALL, STOPPED] {
            let color = format!("=\"#{r:02X}{g:02X}{b:02X}\"");
            let dark = style.split("prefers-color-scheme: dark").nth(1).unwrap();
            assert!(dark.contains(&color), "{color}");
        }
    }

    #[test]
    fn escaped() {
        let bar = || Bar {
            value: 3.0,
            range: Some((1.0, 9.0)),
        };
        let group = ("<b>&".to_owned(), [bar(), bar()]);
        for log in [false, true] {
            let svg = beside_c("<i>", &[("a".to_owned(), [bar(), bar()])], log).unwrap();
            assert!(!svg.contains("<i>"), "{svg}");
        }
        let svg = beside_c("us", &[group], false).unwrap();
        assert!(!svg.contains("<b>"), "{svg}");
    }

    #[test]
    fn timelines() {
        let mut timeline = Timeline {
            rounds: vec![(0.0, 0, 0), (0.5, 300, 7)],
            stopped: Some((0.8, 0.9)),
            sent: vec![(-0.01, 0.0), (0.7, 3.5)],
        };
        let svg = timeline.plot().unwrap();
        assert_eq!(svg.matches("fill=\"#FECACA\"").count(), 2, "{svg}");
        assert_eq!(svg.matches("fill=\"#93C5FD\"").count(), 1);
        // A migration without any of it is drawn, too.
        timeline.rounds.clear();
        timeline.sent.clear();
        timeline.stopped = None;
        assert!(timeline.plot().unwrap().starts_with("<svg"));
    }
}
