//! The text format that came before OpenMetrics, for those who do not ask for the newer one.

/// Rewrites OpenMetrics text: there, a counter and an info are called by their family, without the
/// ending that their samples have, and there are units, exemplars and an end mark.
pub(super) fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if line.starts_with("# HELP ") {
            help = Some(line);
        } else if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap_or((family, "untyped"));
            let (ending, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                kind => ("", kind),
            };
            if let Some((_, words)) =
                help.take().and_then(|help| help.strip_prefix("# HELP ")?.split_once(' '))
            {
                text.extend(["# HELP ", name, ending, " ", words, "\n"]);
            }
            text.extend(["# TYPE ", name, ending, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            // No label's value here has such a text in it.
            let sample = line.split(" # {").next().unwrap_or(line);
            text.extend([sample, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_called_as_their_samples_and_what_is_new_is_left_out() {
        let open_metrics = "# HELP a_seconds Of a.\n# TYPE a_seconds counter\n\
            # UNIT a_seconds seconds\na_seconds_total 1\n# HELP b B\n# TYPE b info\n\
            b_info{version=\"1\"} 1\n# TYPE c histogram\n\
            c_bucket{le=\"1\"} 2 # {decision=\"x\"} 0.5\n# EOF\n";
        let expected = "# HELP a_seconds_total Of a.\n# TYPE a_seconds_total counter\n\
            a_seconds_total 1\n# HELP b_info B\n# TYPE b_info gauge\nb_info{version=\"1\"} 1\n\
            # TYPE c histogram\nc_bucket{le=\"1\"} 2\n";
        assert_eq!(classic(open_metrics), expected);
    }
}
