use super::*;

#[test]
fn every_figure_has_its_place() {
    for (index, figure) in Figure::ALL.into_iter().enumerate() {
        assert_eq!(figure as usize, index);
    }
}
