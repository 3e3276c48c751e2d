/** The insights with the titles and units of their fields. Written by `make contracts`. */

export const CATALOGUE = {
  "number_of_zero_crossings": {
    "title": "Zero crossings",
    "scope": "lead",
    "fields": {
      "number_of_zero_crossings": {
        "title": "zero crossings",
        "unit": "1"
      }
    }
  },
  "quality": {
    "title": "Quality",
    "scope": "lead",
    "fields": {
      "usable": {
        "title": "usable"
      },
      "reasons": {
        "title": "reasons"
      },
      "missing_fraction": {
        "title": "missing",
        "unit": "1"
      },
      "flat_fraction": {
        "title": "flat",
        "unit": "1"
      },
      "saturated_fraction": {
        "title": "saturated",
        "unit": "1"
      },
      "amplitude_mv": {
        "title": "amplitude",
        "unit": "mV"
      },
      "baseline_wander_mv": {
        "title": "baseline wander",
        "unit": "mV"
      },
      "mains_hum_mv": {
        "title": "mains hum",
        "unit": "mV"
      },
      "muscle_noise_mv": {
        "title": "muscle noise",
        "unit": "mV"
      }
    }
  },
  "rhythm": {
    "title": "Rhythm",
    "scope": "ecg",
    "fields": {
      "number_of_beats": {
        "title": "beats",
        "unit": "1"
      },
      "beats": {
        "title": "positions of beats",
        "unit": "samples"
      },
      "heart_rate_bpm": {
        "title": "heart rate",
        "unit": "/min"
      },
      "rr_median_ms": {
        "title": "median RR",
        "unit": "ms"
      },
      "rr_shortest_ms": {
        "title": "shortest RR",
        "unit": "ms"
      },
      "rr_longest_ms": {
        "title": "longest RR",
        "unit": "ms"
      },
      "sdnn_ms": {
        "title": "SDNN",
        "unit": "ms"
      },
      "rmssd_ms": {
        "title": "RMSSD",
        "unit": "ms"
      },
      "longest_pause_ms": {
        "title": "longest pause",
        "unit": "ms"
      },
      "absent": {
        "title": "absent"
      }
    }
  },
  "intervals": {
    "title": "Intervals",
    "scope": "ecg",
    "fields": {
      "alike_beats": {
        "title": "beats of the median beat",
        "unit": "1"
      },
      "pr_ms": {
        "title": "PR",
        "unit": "ms"
      },
      "pr_spread_ms": {
        "title": "PR spread",
        "unit": "ms",
        "spreadOf": "pr_ms"
      },
      "qrs_onset_ms": {
        "title": "QRS onset from the beat",
        "unit": "ms"
      },
      "qrs_ms": {
        "title": "QRS",
        "unit": "ms"
      },
      "qrs_spread_ms": {
        "title": "QRS spread",
        "unit": "ms",
        "spreadOf": "qrs_ms"
      },
      "qt_ms": {
        "title": "QT",
        "unit": "ms"
      },
      "qt_spread_ms": {
        "title": "QT spread",
        "unit": "ms",
        "spreadOf": "qt_ms"
      },
      "qtc_bazett_ms": {
        "title": "QTc (Bazett)",
        "unit": "ms"
      },
      "qtc_fridericia_ms": {
        "title": "QTc (Fridericia)",
        "unit": "ms"
      },
      "qrs_axis_deg": {
        "title": "QRS axis",
        "unit": "deg"
      },
      "qrs_axis_spread_deg": {
        "title": "QRS axis spread",
        "unit": "deg",
        "spreadOf": "qrs_axis_deg"
      },
      "absent": {
        "title": "absent"
      }
    }
  },
  "lead_checks": {
    "title": "Lead checks",
    "scope": "ecg",
    "fields": {
      "limb_leads_add_up": {
        "title": "limb leads add up"
      },
      "limb_lead_error_mv": {
        "title": "limb lead error",
        "unit": "mV"
      },
      "arm_electrodes_swapped": {
        "title": "arm electrodes swapped"
      },
      "arm_electrodes_score": {
        "title": "arm electrodes score",
        "unit": "1"
      },
      "repeated_names": {
        "title": "repeated names"
      },
      "unknown_names": {
        "title": "unknown names"
      },
      "absent": {
        "title": "absent"
      }
    }
  }
};
